import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RunningServer, startServer } from '../support/running-server.ts'

for (const strict of [false, true]) {
  describe(`the tool runner of the official SDK, ${strict ? 'strict' : 'lenient'}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({ strict })
    })
    after(() => server.destroy())

    it('goes on without a thread, runs the tool and gets the answer', async () => {
      const expressions: string[] = []
      const message = await server.client.beta.messages.toolRunner({
        model: 'claude-local',
        max_tokens: 200,
        messages: [{ role: 'user', content: 'What is 12 * 7? Use the calculator.' }],
        tools: [
          {
            type: 'custom',
            name: 'calculator',
            description: 'Evaluate an arithmetic expression',
            input_schema: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
            parse: (input) => input as { readonly expression: string },
            run({ expression }: { readonly expression: string }) {
              expressions.push(expression)
              return '84'
            },
          },
        ],
      })
      assert.deepEqual(expressions, ['12 * 7'])
      assert.equal(message.stop_reason, 'end_turn')
      assert.match(JSON.stringify(message.content), /84/)
    })
  })
}
