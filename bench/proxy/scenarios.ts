/** How the mock answers; a request chooses by its `model`. */
export interface Scenario {
  /** Pieces of text in a stream; `null`: one JSON answer, not streamed. */
  readonly events: number | null
  /** Of text, in each event or in the JSON answer; `null`: a word, as a model's tokens are. */
  readonly textBytes: number | null
  /** So many events leave in one write. */
  readonly eventsPerWrite: number
  /** Between two writes; 0: as fast as the reader takes them. */
  readonly gapMs: number
  /** `Infinity`: nothing ever comes, not even a header. */
  readonly headerDelayMs: number
  /** `silent`: after the events nothing, until `POST /release`. `reset`: the connection is cut after them. A number: refused at once. */
  readonly ending: 'complete' | 'silent' | 'reset' | 429 | 500
}

const base: Scenario = {
  events: null,
  textBytes: null,
  eventsPerWrite: 1,
  gapMs: 0,
  headerDelayMs: 0,
  ending: 'complete',
}

export const scenarios = {
  json: { ...base, textBytes: 60 },
  burst: { ...base, events: 256, eventsPerWrite: 256 },
  single: { ...base, events: 250, gapMs: 1 },
  first: { ...base, events: 3, gapMs: 2 },
  idle: { ...base, events: 1, ending: 'silent' },
  slow: { ...base, events: 5000, textBytes: 1024, eventsPerWrite: 16 },
  endless: { ...base, events: 30_000, gapMs: 1 },
  mute: { ...base, headerDelayMs: Number.POSITIVE_INFINITY },
  reset: { ...base, events: 3, ending: 'reset' },
  'status-429': { ...base, ending: 429 },
  'status-500': { ...base, ending: 500 },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export const scenarioNames = Object.keys(scenarios) as ScenarioName[]
