/**
 * Times one text delta -> one SSE frame, which every token pays on the main thread: through the compiled serializer and by
 * JSON.stringify of the whole event. Not timed: the socket. The faster one belongs in the product.
 */
import { Bench } from 'tinybench'
import { deltaFrame, deltaHead } from '../../src/protocols/anthropic/serializers.ts'
import { printBench } from '../support/table.ts'

const texts = [' the', ' model', '\n', ' "quoted"', ' é', 'Once upon a time there was a small robot']
const head = deltaHead(0, 'text_delta') // once a block, not once a token
let turn = 0
const bench = new Bench({ time: 1000 })
bench.add('text delta, as in the product', () => {
  deltaFrame(head, texts[turn++ % texts.length] as string)
})
bench.add('text delta, JSON.stringify', () => {
  const text = texts[turn++ % texts.length] as string
  const event = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }
  return `event: content_block_delta\ndata: ${JSON.stringify(event)}\n\n` as unknown as undefined
})
await bench.run()
printBench('frame', bench)
