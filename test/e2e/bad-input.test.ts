import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openSocket, rawExchange, rawPost } from '../support/raw-request.ts'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'

const user = [{ role: 'user', content: 'Hello!' }]
const valid = { model: 'headend-tiny', max_tokens: 10, messages: user }

interface ErrorBody {
  type: string
  error: { type: string; message: string }
  request_id: string
}

/** Body, status, error type, beginning of the message. */
const refusals: readonly (readonly [name: string, body: unknown, status: number, type: string, message: string])[] = [
  ['no JSON', '{"model":', 400, 'invalid_request_error', 'The request body is not valid JSON: '],
  ['an empty body', '', 400, 'invalid_request_error', 'The request body is not valid JSON: '],
  ['an array', '[]', 400, 'invalid_request_error', ''],
  [
    'no UTF-8',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    400,
    'invalid_request_error',
    'The request body is not valid UTF-8',
  ],
  ['no model', { ...valid, model: undefined }, 400, 'invalid_request_error', 'model: Field required'],
  ['a number as model', { ...valid, model: 7 }, 400, 'invalid_request_error', 'model: '],
  ['no max_tokens', { ...valid, max_tokens: undefined }, 400, 'invalid_request_error', 'max_tokens: Field required'],
  ['max_tokens as text', { ...valid, max_tokens: '10' }, 400, 'invalid_request_error', 'max_tokens: '],
  ['max_tokens with a fraction', { ...valid, max_tokens: 1.5 }, 400, 'invalid_request_error', 'max_tokens: '],
  ['negative max_tokens', { ...valid, max_tokens: -1 }, 400, 'invalid_request_error', 'max_tokens: '],
  ['no messages', { ...valid, messages: undefined }, 400, 'invalid_request_error', 'messages: Field required'],
  ['empty messages', { ...valid, messages: [] }, 400, 'invalid_request_error', 'messages: '],
  [
    'an unknown role',
    { ...valid, messages: [{ role: 'developer', content: 'x' }] },
    400,
    'invalid_request_error',
    'messages.0.role: ',
  ],
  [
    'content as number',
    { ...valid, messages: [{ role: 'user', content: 1 }] },
    400,
    'invalid_request_error',
    'messages.0.content: ',
  ],
  [
    'an empty text block',
    { ...valid, messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] },
    400,
    'invalid_request_error',
    'messages: text content blocks must be non-empty',
  ],
  [
    'a text block without text',
    { ...valid, messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    400,
    'invalid_request_error',
    'messages.0.content.0.text.text: Field required',
  ],
  [
    'an image',
    {
      ...valid,
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
        },
      ],
    },
    400,
    'invalid_request_error',
    'messages.0.content.0: this model does not accept images',
  ],
  ['temperature 2', { ...valid, temperature: 2 }, 400, 'invalid_request_error', 'temperature: '],
  ['stream as text', { ...valid, stream: 'yes' }, 400, 'invalid_request_error', 'stream: '],
  ['one stop sequence as text', { ...valid, stop_sequences: 'x' }, 400, 'invalid_request_error', 'stop_sequences: '],
  ['a blank stop sequence', { ...valid, stop_sequences: [' '] }, 400, 'invalid_request_error', 'stop_sequences.0: '],
  ['an unknown model', { ...valid, model: 'gpt-9' }, 404, 'not_found_error', 'model: gpt-9'],
]

for (const transport of await transports()) {
  describe(`bad input over ${transport}, beside a stream that goes on`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({
        transport,
        slots: '2',
        context: '1024',
        headerTimeoutMs: '500',
        bodyTimeoutMs: '500',
      })
    })
    after(() => server.destroy())

    async function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
      const sent = typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body)
      return await fetch(`${server.url}/v1/messages`, { method: 'POST', body: sent, headers })
    }

    async function assertRefused(response: Response, status: number, type: string, message: string): Promise<void> {
      const body = (await response.json()) as ErrorBody
      assert.equal(response.status, status, JSON.stringify(body))
      assert.equal(body.type, 'error')
      assert.equal(body.error.type, type)
      assert.ok(body.error.message.startsWith(message), body.error.message)
      assert.equal(body.request_id, response.headers.get('request-id'))
    }

    for (const [name, body, status, type, message] of refusals) {
      it(`refuses ${name}`, async () => assertRefused(await post(body), status, type, message))
    }

    it('refuses the same streamed, with a status and no event', async () => {
      const response = await post({ ...valid, stream: true, max_tokens: 'many' })
      assert.equal(response.headers.get('content-type'), 'application/json')
      await assertRefused(response, 400, 'invalid_request_error', 'max_tokens: ')
    })

    it('refuses 33 MiB', async () => {
      const text = 'x'.repeat(33 * 1024 * 1024)
      const answer = await rawExchange(server.url, [rawPost('/v1/messages', text), text])
      assert.match(answer, /^HTTP\/1\.1 413 /)
      assert.match(answer, /request_too_large/)
    })

    it('reads a chunked body, a gzip body, and one after Expect: 100-continue', async () => {
      const json = JSON.stringify(valid)
      const chunks = json.match(/.{1,7}/gs)?.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`) ?? []
      const head =
        'POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n'
      assert.match(await rawExchange(server.url, [head, ...chunks, '0\r\n\r\n']), /^HTTP\/1\.1 200 /)
      assert.equal((await post(gzipSync(json), { 'content-encoding': 'gzip' })).status, 200)
      const expecting = rawPost('/v1/messages', json, ['expect: 100-continue'])
      assert.match(await rawExchange(server.url, [expecting, json]), /HTTP\/1\.1 200 /)
    })

    it('answers unknown paths and wrong methods in the envelope', async () => {
      await assertRefused(await fetch(`${server.url}/v1/nothing`), 404, 'not_found_error', '')
      const wrong = await fetch(`${server.url}/v1/messages`)
      assert.equal(wrong.headers.get('allow')?.includes('POST'), true)
      await assertRefused(wrong, 405, 'invalid_request_error', '')
    })

    it('tells clients of the OpenAI API in their own shape that it is not there yet', async () => {
      for (const path of ['/v1/embeddings', '/v1/responses']) {
        const response = await fetch(`${server.url}${path}`, { method: 'POST', body: '{}' })
        assert.equal(response.status, 404)
        const { error } = (await response.json()) as { error: Record<string, unknown> }
        assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code'])
        assert.equal(error.type, 'not_found_error')
      }
    })

    it('leaves a running stream alone, whatever the others send', async () => {
      const alone = await story(server)
      const beside = story(server)
      await untilStatus(server, (status) => busySlots(status) >= 1)
      const nuisances = refusals.map(([, body]) => post(body).then((response) => response.text()))
      nuisances.push(rawExchange(server.url, [`GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`]).catch(String))
      nuisances.push(rawExchange(server.url, ['GET / HT']).catch(String)) // slow-loris header
      nuisances.push(rawExchange(server.url, [rawPost('/v1/messages', 'x'.repeat(1000)), '{']).catch(String)) // and body
      const gone = openSocket(server.url)
      gone.on('error', () => {})
      gone.write(`${rawPost('/v1/messages', JSON.stringify(valid))}${JSON.stringify(valid)}`, () => gone.destroy())
      assert.equal(await beside, alone)
      await Promise.all(nuisances)
      await untilStatus(server, (status) => busySlots(status) === 0 && status.queue.running === 0)
    })
  })
}

async function story({ client }: RunningServer): Promise<string> {
  const stream = client.messages.stream({
    model: 'headend-tiny',
    max_tokens: 400,
    temperature: 0,
    messages: [{ role: 'user', content: 'Tell me a story' }],
  })
  return await stream.finalText()
}
