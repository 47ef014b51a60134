/** What a row's figure is held to. `ratio`: to the floor's of the same run. */
export type Bar = { readonly kind: 'ratio' | 'absolute'; readonly max: number }

export interface Row {
  readonly title: string
  readonly unit: string
  readonly digits: number
  readonly bar: Bar | null
  /** The mock's own figure is what the client would see without a server between: the others are printed on top of it. */
  readonly isAdded: boolean
}

const plain = { digits: 1, bar: null, isAdded: false } as const
const ratio = (max: number): Bar => ({ kind: 'ratio', max })
const absolute = (max: number): Bar => ({ kind: 'absolute', max })

/** In the order of the report; the bars are those of the project's design. */
export const rows = {
  small: { ...plain, title: 'CPU per small request', unit: 'us', bar: ratio(1.1) },
  large: { ...plain, title: 'CPU per 100 KB request', unit: 'us', bar: ratio(0.7) },
  largeUnicode: { ...plain, title: '  the same, with some Unicode', unit: 'us' },
  burst: { ...plain, title: 'CPU per event, 256 in a burst', unit: 'us', digits: 2, bar: ratio(0.5) },
  single: { ...plain, title: 'CPU per event, one at a time', unit: 'us', bar: ratio(0.9) },
  singlePieces: { ...plain, title: '  reads of the client per event', unit: '', digits: 2 },
  rate: { ...plain, title: 'small requests at saturation', unit: '/s', digits: 0 },
  busy: { ...plain, title: '  of its core, meanwhile', unit: '%', digits: 0 },
  p50: { ...plain, title: 'added p50 at 100 requests/s', unit: 'us', digits: 0, isAdded: true },
  p99: { ...plain, title: 'added p99', unit: 'us', digits: 0, isAdded: true },
  firstP50: { ...plain, title: 'added time to first event, p50', unit: 'us', digits: 0, isAdded: true },
  firstP99: { ...plain, title: 'added time to first event, p99', unit: 'us', digits: 0, isAdded: true },
  idle: { ...plain, title: 'per idle stream', unit: 'KB', bar: ratio(1) },
  idleBefore: { ...plain, title: '  resident before', unit: 'MB' },
  idleDuring: { ...plain, title: '  with all of them open', unit: 'MB' },
  idleAfter: { ...plain, title: '  after', unit: 'MB' },
  slow: { ...plain, title: 'growth with slow readers', unit: 'MB', bar: absolute(25) },
  slowBefore: { ...plain, title: '  resident before', unit: 'MB' },
  slowPeak: { ...plain, title: '  at most', unit: 'MB' },
  slowAfter: { ...plain, title: '  after', unit: 'MB' },
  slowTaken: { ...plain, title: '  taken from the upstream', unit: 'MB', digits: 0 },
  abort: { ...plain, title: 'CPU per request that is aborted', unit: 'us' },
  leftOpen: { ...plain, title: '  upstream answers not cancelled', unit: '', digits: 0, bar: absolute(0) },
} as const satisfies Record<string, Row>

export type RowName = keyof typeof rows
