import { createIdMaker } from '../../text/random-id.ts'

const newCallId = createIdMaker('toolu_')

/** The ids of the calls of one answer. The upstream's own are kept where possible, so that its prompt cache knows them again. */
export class CallIds {
  readonly #taken = new Set<string>()

  /** @param id as the upstream gave it; '': it gave none */
  take(id: string): string {
    // Clients send ids back, and https://docs.anthropic.com/en/api/messages lets them have these characters only.
    const clean = id.replace(/[^a-zA-Z0-9_-]/g, '_')
    const own = clean === '' || this.#taken.has(clean) ? newCallId() : clean
    this.#taken.add(own)
    return own
  }
}
