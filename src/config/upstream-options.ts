import { baseUrls, parseBaseUrl, parseUpstreamKey } from './option-items.ts'
import {
  choice,
  duration,
  fraction,
  integer,
  list,
  type Option,
  optionalDuration,
  optionalItem,
  optionalSecret,
  optionalText,
  switchedOff,
} from './option-kinds.ts'

/** Those rows of the table of options that are about upstreams: the one that options can describe, and what holds for all of them. */
export const upstreamOptions = {
  upstream: optionalItem({
    group: 'Upstreams',
    help: 'Base URL of a server to ask; the models that it lists are served. Several: upstreams in the config file.',
    placeholder: '<url>',
    accepts: baseUrls,
    item: parseBaseUrl,
  }),
  upstreamProtocol: choice({
    group: 'Upstreams',
    help: 'What the server of --upstream speaks: OpenAI chat completions, or the Anthropic Messages API.',
    placeholder: '<openai|anthropic>',
    choices: ['openai', 'anthropic'],
    default: 'openai',
  }),
  upstreamKey: optionalSecret({
    group: 'Upstreams',
    help: 'What the server of --upstream knows you by: a key, sent nowhere else. There is no flag for it.',
    placeholder: '<key>',
    accepts: 'a key',
    item: parseUpstreamKey,
  }),
  upstreamKeyFile: optionalText({
    group: 'Upstreams',
    help: 'File that holds the key for the server of --upstream, and nothing else.',
    placeholder: '<file>',
  }),
  upstreamPassThrough: switchedOff({
    group: 'Upstreams',
    help: "Show the server of --upstream the client's own credential instead of a key.",
  }),
  upstreamModels: list({
    group: 'Upstreams',
    help: 'Names that --upstream does not list, but that it is asked for all the same; * stands for any text.',
    placeholder: '<pattern>',
    accepts: 'a name, or a pattern such as gpt-*',
    default: [],
    item: (pattern) => pattern,
  }),
  upstreamConcurrency: integer({
    group: 'Upstreams',
    help: 'Requests at once to one upstream, 0 for no limit; the rest wait.',
    min: 0,
    max: 65_536,
    default: 0,
  }),
  upstreamConnectTimeoutMs: duration({
    group: 'Upstreams',
    help: 'Time to connect, TLS included.',
    min: 1,
    default: 10_000,
  }),
  upstreamFirstByteTimeoutMs: optionalDuration({
    group: 'Upstreams',
    help: 'Time from the end of the request to the first byte of the answer; long prompts take long.',
    min: 1,
    defaultText: 'as --upstream-idle-timeout-ms',
  }),
  upstreamIdleTimeoutMs: duration({
    group: 'Upstreams',
    help: 'Silence amid an answer; a keep-alive comment ends it.',
    min: 1,
    default: 300_000,
  }),
  upstreamTotalTimeoutMs: duration({
    group: 'Upstreams',
    help: 'The whole answer; 0 for no limit.',
    min: 0,
    default: 0,
  }),
  upstreamRetries: integer({
    group: 'Upstreams',
    help: 'Times that one request is sent to one target again, as long as nothing of an answer has come.',
    min: 0,
    max: 10,
    default: 2,
  }),
  upstreamHealthIntervalMs: duration({
    group: 'Upstreams',
    help: 'Pause between questions whether an upstream is up; 0: only requests tell.',
    min: 0,
    default: 0,
  }),
  upstreamModelsTtlMs: duration({
    group: 'Upstreams',
    help: "How long an upstream's list of models is believed before it is asked for again.",
    min: 0,
    default: 300_000,
  }),
  spillAfterMs: duration({
    group: 'Upstreams',
    help: 'A target where a request would wait longer than this is left for the next one; 0: never.',
    min: 0,
    default: 0,
  }),
  hedgeAfterMs: duration({
    group: 'Upstreams',
    help: 'When the first target has not begun to answer by then, the next one is asked, too; 0: never.',
    min: 0,
    default: 0,
  }),
  record: optionalText({
    group: 'Upstreams',
    help: 'Folder for what upstreams sent, byte by byte, when an answer failed; without credentials.',
    placeholder: '<folder>',
  }),
  recordSample: fraction({
    group: 'Upstreams',
    help: 'Share of the answers that did not fail which --record keeps, too.',
    default: 0,
  }),
} as const satisfies Readonly<Record<string, Option<unknown>>>
