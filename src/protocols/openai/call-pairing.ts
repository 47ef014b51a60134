import { excerpt, refuseField } from '../schema-error.ts'

interface OpenCall {
  readonly name: string
  /** Where it was made, such as `messages.3.tool_calls.0`. */
  readonly path: string
}

/**
 * Every call is answered before anybody else speaks, and every answer belongs to one: no chat template could say it otherwise.
 * System messages in between count for nothing.
 */
export class OpenCalls {
  readonly #calls = new Map<string, OpenCall>()

  /** @throws HeadendError invalid-request: a second call of one id */
  open(id: string, name: string, path: string): void {
    if (this.#calls.has(id)) throw refuseField(path, `a second call has the id ${excerpt(id)}; ids must be unique`)
    this.#calls.set(id, { name, path })
  }

  /**
   * @returns the id
   * @throws HeadendError invalid-request: there is no such call
   */
  answer(id: string, path: string): string {
    if (this.#calls.delete(id)) return id
    const rule = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
    throw refuseField(path, `${rule}; there is no open call with the id ${excerpt(id)}`)
  }

  /** The older form, which goes by the name of the function. @throws HeadendError invalid-request */
  answerNamed(name: string, path: string): string {
    for (const [id, call] of this.#calls) if (call.name === name) return this.answer(id, path)
    const rule = "messages with role 'function' must be a response to a preceding message with 'function_call'"
    throw refuseField(path, `${rule}; there is no open call of ${excerpt(name)}`)
  }

  /** Somebody else speaks, or nobody. @throws HeadendError invalid-request: a call was not answered */
  settle(): void {
    const first = this.#calls.values().next().value
    if (first === undefined) return
    const ids = excerpt([...this.#calls.keys()].join(', '))
    const rule =
      "an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'"
    throw refuseField(first.path, `${rule}; these did not have response messages: ${ids}`)
  }
}
