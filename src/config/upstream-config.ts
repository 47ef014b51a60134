import { quirksOf } from '../backends/upstream/known-hosts.ts'
import { defaultQuirks, type UpstreamSettings } from '../backends/upstream/settings.ts'
import { labelOf, shapeOf, type Written } from './config-file.ts'
import { baseUrls, parseBaseUrl } from './option-items.ts'
import { readQuirks } from './quirk-config.ts'
import { readHeaders } from './upstream-headers.ts'
import { keyFromEnvironment, keyFromFile } from './upstream-key.ts'
import { booleanKind, choiceKind, durationKind, integerKind, Refusal, textKind } from './value-kinds.ts'
import { attempt, listOf, oneOrMore, type Reader, readGiven, single } from './written-fields.ts'

/** What the options say for every upstream that does not say otherwise. */
export type UpstreamDefaults = Pick<
  UpstreamSettings,
  'concurrency' | 'connectTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs' | 'modelsTtlMs' | 'healthIntervalMs'
> & {
  /** `null`: as the time of silence, which it then follows. */
  readonly firstByteTimeoutMs: number | null
}

/** The one upstream that the options describe. */
export type OptionUpstream = Pick<UpstreamSettings, 'url' | 'protocol' | 'key' | 'passThroughCredentials' | 'models'>

/** It is named by its host, and whatever it lists is served. */
export function optionUpstream(given: OptionUpstream, defaults: UpstreamDefaults): UpstreamSettings {
  return {
    ...defaults,
    firstByteTimeoutMs: defaults.firstByteTimeoutMs ?? defaults.idleTimeoutMs,
    ...given,
    name: new URL(given.url).host,
    headers: {},
    exposesListed: true,
    quirks: quirksOf(given.url),
  }
}

export interface UpstreamContext {
  readonly defaults: UpstreamDefaults
  /** Where keys are looked up. */
  readonly env: NodeJS.ProcessEnv
  /** Two of one name would make targets and figures ambiguous. */
  readonly namesTaken: Set<string>
}

/** `upstreams` of a config file. */
export function readUpstreams(
  written: Written,
  context: UpstreamContext,
  problems: string[],
): readonly UpstreamSettings[] {
  const upstreams: UpstreamSettings[] = []
  const read: Reader<UpstreamSettings> = (item) => readUpstream(item, context, problems)
  attempt(written, listOf(read), problems, (list) => upstreams.push(...list))
  return upstreams
}

function readUpstream(
  written: Written,
  { defaults, env, namesTaken }: UpstreamContext,
  problems: string[],
): UpstreamSettings {
  const given = readGiven(written, upstreamReaders(env), problems, { required: ['url'] })
  const note = (problem: string): void => void problems.push(`${labelOf(written)}: ${problem}`)
  const ways = [given.keyEnv, given.keyFile, given.passThrough || undefined].filter((way) => way !== undefined)
  if (ways.length > 1) note('give one of key_env, key_file and pass_through')
  const name = given.name ?? (given.url === undefined ? null : new URL(given.url).host)
  if (name !== null && namesTaken.has(name)) note(`another upstream is named ${name}: give each a name of its own`)
  if (name !== null) namesTaken.add(name)
  const { timeouts = {} } = given
  return {
    // Without name or URL reading goes on only so that all problems are told at once.
    name: name ?? '',
    url: given.url ?? '',
    protocol: given.protocol ?? 'openai',
    key: given.keyEnv ?? given.keyFile ?? null,
    passThroughCredentials: given.passThrough ?? false,
    headers: given.headers ?? {},
    exposesListed: given.expose ?? false,
    models: given.models ?? [],
    concurrency: given.concurrency ?? defaults.concurrency,
    connectTimeoutMs: timeouts.connect ?? defaults.connectTimeoutMs,
    firstByteTimeoutMs: timeouts.firstByte ?? defaults.firstByteTimeoutMs ?? timeouts.idle ?? defaults.idleTimeoutMs,
    idleTimeoutMs: timeouts.idle ?? defaults.idleTimeoutMs,
    totalTimeoutMs: timeouts.total ?? defaults.totalTimeoutMs,
    modelsTtlMs: given.modelsTtl ?? defaults.modelsTtlMs,
    healthIntervalMs: given.healthInterval ?? defaults.healthIntervalMs,
    quirks: { ...(given.url === undefined ? defaultQuirks : quirksOf(given.url)), ...given.quirks },
  }
}

const timeoutReaders = {
  connect: single(durationKind(1)),
  firstByte: single(durationKind(1)),
  idle: single(durationKind(1)),
  total: single(durationKind(0)),
}

function upstreamReaders(env: NodeJS.ProcessEnv) {
  return {
    name: single({ accepts: 'a name of letters, digits and ._:-', parse: parseName }),
    url: readUrl,
    protocol: single(choiceKind(['openai', 'anthropic'])),
    key: refuseKey,
    keyEnv: secret((variable) => keyFromEnvironment(variable, env)),
    keyFile: secret(keyFromFile),
    passThrough: single(booleanKind),
    headers: readHeaders,
    expose: single(booleanKind),
    models: oneOrMore(single(textKind)),
    concurrency: single(integerKind({ min: 0, max: 65_536 })),
    timeouts: (written: Written, problems: string[]) => readGiven(written, timeoutReaders, problems),
    healthInterval: single(durationKind(0)),
    modelsTtl: single(durationKind(0)),
    quirks: readQuirks,
  }
}

/** It stands in headers, logs and figures. */
function parseName(input: unknown): string {
  const name = textKind.parse(input)
  if (!/^[\w.:[\]-]{1,80}$/.test(name)) throw new Refusal('expected a name of at most 80 letters, digits and ._:-')
  return name
}

function readUrl({ value }: Written): string {
  if (typeof value !== 'string') throw new Refusal(`expected ${baseUrls}, got ${shapeOf(value)}`)
  return parseBaseUrl(value.trim())
}

function refuseKey(): never {
  throw new Refusal(
    'keys do not belong in a file that others get to see: name the environment variable that holds it with key_env, or its file with key_file',
  )
}

/** Says where a secret is. Anything that cannot say so may be the secret itself, so it is not repeated. */
function secret(find: (text: string) => string): Reader<string> {
  return ({ value }) => {
    if (typeof value !== 'string' || value.trim() === '') throw new Refusal(`expected a text, got ${shapeOf(value)}`)
    return find(value.trim())
  }
}
