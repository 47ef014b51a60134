import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseAlias, parseCidr, parseHostName, parseKey, parseOrigin, parsePathPrefix } from './option-items.ts'
import {
  autoInteger,
  autoIntegerOrMax,
  bytes,
  choice,
  duration,
  integer,
  list,
  machineText,
  type Option,
  optionalText,
  secretList,
  switchedOff,
  text,
} from './option-kinds.ts'
import { upstreamOptions } from './upstream-options.ts'

const KiB = 1024
const MiB = 1024 * KiB

/**
 * The one table of options. The type, the flags, the environment variables, the checks, `--help`, `headend check` and the tables
 * of the README and the docs all come from it. A key is the name in a config file; `flagName` and `environmentName` derive the others.
 */
export const options = {
  config: optionalText({
    group: 'General',
    help: 'YAML or JSON file with any of these options.',
    placeholder: '<file>',
  }),

  host: text({
    group: 'Listening',
    help: 'Address to listen on; 0.0.0.0 or :: for all.',
    placeholder: '<address>',
    default: '127.0.0.1',
  }),
  port: integer({
    group: 'Listening',
    help: 'Port to listen on; 0 takes a free one.',
    min: 0,
    max: 65_535,
    default: 8080,
  }),
  transport: choice({
    group: 'Listening',
    help: 'HTTP engine: uWebSockets.js, node:http, or the faster one that loads.',
    placeholder: '<auto|uws|node>',
    choices: ['auto', 'uws', 'node'],
    default: 'auto',
  }),
  pathPrefix: list({
    group: 'Listening',
    help: 'Answer below this path, too.',
    placeholder: '<path>',
    accepts: 'a path such as /anthropic',
    default: [],
    item: parsePathPrefix,
  }),
  tlsCert: optionalText({
    group: 'Listening',
    help: 'Certificate chain (PEM file); needs --tls-key.',
    placeholder: '<file>',
  }),
  tlsKey: optionalText({
    group: 'Listening',
    help: 'Private key of the certificate (PEM file); needs --tls-cert.',
    placeholder: '<file>',
  }),
  trustedProxy: list({
    group: 'Listening',
    help: 'Proxies whose X-Forwarded-For is believed: the right-most address outside these ranges is the client.',
    placeholder: '<cidr>',
    accepts: 'an address range such as 10.0.0.0/8',
    default: [],
    item: parseCidr,
  }),

  apiKeyFile: optionalText({
    group: 'Access',
    help: 'File of the keys that clients must show, a line for each: its hash, as headend key writes it, and a name.',
    placeholder: '<file>',
  }),
  apiKey: secretList({
    group: 'Access',
    help: 'Keys, or their hashes, that clients must show; beside those of the file. There is no flag for it.',
    placeholder: '<key>',
    accepts: 'a key, or sha256: and its hash',
    default: [],
    item: parseKey,
  }),
  allowAnonymous: switchedOff({
    group: 'Access',
    help: 'Listen where other machines can connect without asking them for a key.',
  }),
  allowedHost: list({
    group: 'Access',
    help: 'Further name by which clients may call this server. On a loopback address others are refused (DNS rebinding).',
    placeholder: '<name>',
    accepts: 'a name or an address without a port, such as models.example.com',
    default: [],
    item: parseHostName,
  }),
  corsOrigin: list({
    group: 'Access',
    help: 'Origin whose web pages may ask and read the answers; * for all.',
    placeholder: '<origin>',
    accepts: '* or an origin such as https://app.example.com',
    default: [],
    item: parseOrigin,
  }),

  backend: choice({
    group: 'Models',
    help: 'What answers: local models, or echo, a scripted stand-in for tests and overhead benches.',
    placeholder: '<local|echo>',
    choices: ['local', 'echo'],
    default: 'local',
  }),
  model: list({
    group: 'Models',
    help: 'Model to serve: embedded, a GGUF file, hf:user/repo:quant or an https URL; NAME= before it sets its id.',
    placeholder: '<model>',
    accepts: 'embedded, a GGUF file, hf:user/repo:quant or an https URL',
    default: [], // what it is depends on the upstreams: `resolveConfig` puts in `modelByDefault`
    defaultText: 'embedded; none with upstreams',
    item: (name) => name,
  }),
  defaultModel: optionalText({
    group: 'Models',
    help: 'Id of the model that answers requests for unknown names; without it they get 404.',
    placeholder: '<id>',
  }),
  modelAlias: list({
    group: 'Models',
    help: 'NAME=ID: another name for a model. * in NAME stands for any text. claude-local and claude-* go to the first model.',
    placeholder: '<name=id>',
    accepts: 'NAME=ID, such as claude-local=headend-tiny',
    default: [],
    item: parseAlias,
  }),
  modelMap: optionalText({
    group: 'Models',
    help: 'Entries such as {"anthropic_id", "model", "max_tokens"}: a JSON file, or the list itself, which begins with [.',
    placeholder: '<file>',
  }),
  cacheDir: machineText({
    group: 'Models',
    help: 'Folder of downloaded models.',
    placeholder: '<folder>',
    defaultText: "headend/models in the user's cache folder",
    fallback: (env) => join(userCacheFolder(env), 'headend', 'models'),
  }),

  ...upstreamOptions,

  workers: autoInteger({
    group: 'Inference',
    help: 'Worker threads, each with its own copy of the model. With a GPU one is best.',
    min: 1,
    max: 256,
  }),
  threads: autoInteger({
    group: 'Inference',
    help: 'Computing threads of each worker. Workers times threads beyond the cores only slows down.',
    min: 1,
    max: 1024,
  }),
  slots: autoInteger({
    group: 'Inference',
    help: 'Requests that one worker decodes together; each keeps its own KV cache.',
    min: 1,
    max: 256, // llama.cpp's limit of sequences in one context
  }),
  context: autoInteger({
    group: 'Inference',
    help: 'Tokens per slot, prompt and answer together. auto: what the model and the memory allow, at most 16384.',
    min: 32,
    max: 16_777_216,
  }),
  gpuLayers: autoIntegerOrMax({
    group: 'Inference',
    help: 'Layers of the model that the GPU computes.',
    min: 0,
    max: 10_000,
  }),
  stallTargetMs: duration({
    group: 'Inference',
    help: 'How long reading a long prompt may hold up running streams; prompts are read in pieces of about this length.',
    min: 1,
    default: 250,
  }),

  concurrency: autoInteger({
    group: 'Admission',
    help: 'Requests that run at once on one model; the rest wait. auto: workers times slots.',
    min: 1,
    max: 65_536,
  }),
  sessionConcurrency: integer({
    group: 'Admission',
    help: 'Requests of one named session that run at once; 0 for no limit.',
    min: 0,
    max: 65_536,
    default: 4,
  }),
  sessionQueue: integer({
    group: 'Admission',
    help: 'Requests of one named session that may wait; the next one gets 429.',
    min: 0,
    max: 65_536,
    default: 64,
  }),
  queue: integer({
    group: 'Admission',
    help: 'Requests that may wait altogether; the next one gets 529.',
    min: 0,
    max: 1_048_576,
    default: 1024,
  }),
  queueTimeoutMs: duration({
    group: 'Admission',
    help: 'A request that waited this long gets 529.',
    min: 1,
    default: 300_000,
  }),

  commitAfterMs: duration({
    group: 'Streams',
    help: 'A streamed reply that waits this long sends its status and pings; errors are events from then on.',
    min: 0,
    default: 10_000,
  }),
  pingIntervalMs: duration({
    group: 'Streams',
    help: 'Silence of a stream before a keep-alive ping.',
    min: 1,
    default: 10_000,
  }),
  stallTimeoutMs: duration({
    group: 'Streams',
    help: 'A reader that takes nothing for this long is cut off.',
    min: 1,
    default: 60_000,
  }),
  streamBufferBytes: bytes({
    group: 'Streams',
    help: 'What one stream may hold for a slow reader before its slot pauses.',
    min: 1 * KiB,
    max: 1024 * MiB,
    default: 256 * KiB,
  }),
  drainTimeoutMs: duration({
    group: 'Streams',
    help: 'Time that running requests get to end at shutdown.',
    min: 0,
    default: 25_000,
  }),

  strict: switchedOff({
    group: 'Requests',
    help: 'Refuse what the hosted API refuses, also what real clients send all the same; for testing clients.',
  }),
  bodyBytesMax: bytes({
    group: 'Requests',
    help: 'Largest request body; larger ones get 413.',
    min: 1 * KiB,
    max: 511 * MiB, // V8's longest string is just under 512 Mi characters, and a body becomes one.
    default: 32 * MiB,
  }),
  bodiesBytesMax: bytes({
    group: 'Requests',
    help: 'All request bodies in memory together; beyond it requests get 503.',
    min: 1 * KiB,
    max: 1024 * 1024 * MiB,
    default: 256 * MiB,
  }),
  headerTimeoutMs: duration({
    group: 'Requests',
    help: 'Time to send the request line and headers. node:http only: uWebSockets.js has a fixed 10 s.',
    min: 1,
    default: 10_000,
  }),
  bodyTimeoutMs: duration({
    group: 'Requests',
    help: 'Longest pause while a request body arrives; then 408.',
    min: 1,
    default: 30_000,
  }),
  keepAliveTimeoutMs: duration({
    group: 'Requests',
    help: 'An idle connection is closed after this time. node:http only: uWebSockets.js has a fixed 10 s.',
    min: 1,
    default: 10_000,
  }),

  logLevel: choice({
    group: 'Logs',
    help: 'Least level that is logged: trace, debug, info, warn, error, fatal or silent.',
    placeholder: '<level>',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
  }),
  logFormat: choice({
    group: 'Logs',
    help: 'One JSON object per line, or lines for people. auto: pretty on a terminal, else json.',
    placeholder: '<auto|json|pretty>',
    choices: ['auto', 'json', 'pretty'],
    default: 'auto',
  }),
} as const satisfies Readonly<Record<string, Option<unknown>>>

/** A server with nothing else to answer from has this model, so that the first run needs no set-up. */
export const modelByDefault = ['embedded'] as const

export type OptionName = keyof typeof options

export type OptionValues = { readonly [Name in OptionName]: ReturnType<(typeof options)[Name]['parse']> }

export const optionNames = Object.keys(options) as readonly OptionName[]

/** What may stand on a command line. */
export const flagOptions = optionNames.filter((name) => !options[name].isSecret)

/** `queueTimeoutMs` -> `--queue-timeout-ms` */
export function flagName(name: OptionName): string {
  return `--${kebabCase(name)}`
}

/** `queueTimeoutMs` -> `HEADEND_QUEUE_TIMEOUT_MS` */
export function environmentName(name: OptionName): string {
  return `HEADEND_${kebabCase(name).replaceAll('-', '_').toUpperCase()}`
}

/** Where the system wants files that may be lost; an empty variable counts as unset, as the XDG base directory rules say. */
function userCacheFolder(env: NodeJS.ProcessEnv): string {
  switch (process.platform) {
    case 'win32':
      return env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local')
    case 'darwin':
      return join(homedir(), 'Library', 'Caches')
    default:
      return env.XDG_CACHE_HOME || join(homedir(), '.cache')
  }
}

export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
