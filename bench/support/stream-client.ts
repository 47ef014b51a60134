export interface StreamTimes {
  /** Of every content delta since the request was sent, milliseconds. */
  readonly deltaMs: readonly number[]
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly totalMs: number
}

/** One streamed message, and when each piece of it came. */
export async function streamMessage(url: string, request: object): Promise<StreamTimes> {
  const startedAt = performance.now()
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...request, stream: true }),
  })
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  const deltaMs: number[] = []
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const piece = decoder.decode(chunk, { stream: true })
    const deltas = piece.split('event: content_block_delta').length - 1
    for (let count = 0; count < deltas; count++) deltaMs.push(performance.now() - startedAt)
    text += piece
  }
  const usage = /event: message_delta\ndata: (.*)/.exec(text)?.[1]
  if (usage === undefined) throw new Error(`the stream did not end well: ${text.slice(-300)}`)
  const { output_tokens, cache_read_input_tokens } = JSON.parse(usage).usage
  return {
    deltaMs,
    outputTokens: output_tokens,
    cachedTokens: cache_read_input_tokens,
    totalMs: performance.now() - startedAt,
  }
}
