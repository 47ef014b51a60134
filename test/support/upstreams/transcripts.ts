import { readFileSync } from 'node:fs'

/** One answer of a server, as it stands in a fixture. */
export interface Transcript {
  readonly status: number
  readonly streamed: boolean
  readonly body: string
}

/** By scene, and by scene and form where a server answers in both: `text streamed`, `text whole`, `busy`. */
export type Transcripts = ReadonlyMap<string, Transcript>

const folder = new URL('../../fixtures/upstream/', import.meta.url)

/**
 * A fixture begins with a line that says where its shape comes from. Each answer stands behind a line of its own: `=== text streamed`,
 * `=== text whole`, or for a refusal its status, `=== busy 503`. The blank line that ends a stream's last event is not stored.
 */
export function readTranscripts(name: string): Transcripts {
  const text = readFileSync(new URL(`${name}.txt`, folder), 'utf8')
  const transcripts = new Map<string, Transcript>()
  for (const section of text.split(/^=== /m).slice(1)) {
    const headEnd = section.indexOf('\n')
    const [scene, form] = section.slice(0, headEnd).split(' ') as [string, string]
    const body = section.slice(headEnd + 1, -1)
    const streamed = form === 'streamed'
    const isAnswer = streamed || form === 'whole'
    transcripts.set(isAnswer ? `${scene} ${form}` : scene, {
      status: isAnswer ? 200 : Number(form),
      streamed,
      body: streamed ? `${body}\n\n` : body,
    })
  }
  return transcripts
}
