/**
 * Times the choice of a slot, which every request pays once in its worker: prompts that share most of their tokens with a slot are
 * the slow case, as every token is compared. It should stay far below one decode step, about 600 us for the embedded model.
 */
import { Bench } from 'tinybench'
import { chooseSlot, type SlotState } from '../../workers/slots.ts'
import { printBench } from '../support/table.ts'

const contextTokens = 16_384
const bench = new Bench({ time: 1000 })
for (const slotCount of [4, 32]) {
  for (const shared of [10, contextTokens - 100]) {
    const prompt = Uint32Array.from({ length: contextTokens - 50 }, (_, index) => index)
    const slots = Array.from({ length: slotCount }, (_, index) => filledSlot(index, shared))
    bench.add(`${slotCount} slots, ${shared} shared tokens`, () => {
      chooseSlot(slots, prompt, 'another')
    })
  }
}
await bench.run()
printBench('chooseSlot', bench)

function filledSlot(lastUsed: number, shared: number): SlotState {
  const resident = Uint32Array.from({ length: contextTokens }, (_, index) => (index < shared ? index : index + 1))
  return {
    busy: false,
    resident,
    residentCount: contextTokens,
    conversation: `conversation ${lastUsed}`,
    lastUsed,
    reusable: (sharedCount) => sharedCount,
  }
}
