import type { MessagePort } from 'node:worker_threads'
import type { ErrorKind } from '../src/contract/errors.ts'
import type { StreamEvent } from '../src/contract/events.ts'
import type { CacheMark, GenerateRequest, Sampling } from '../src/contract/request.ts'

/** How one decode worker holds its model. Decided once, on the main thread, by `workers/plan.ts`. */
export interface LoadTask {
  readonly type: 'load'
  readonly modelPath: string
  readonly threads: number
  readonly slotCount: number
  /** Tokens that one slot holds: prompt and answer together. */
  readonly contextTokens: number
  readonly gpuLayers: number | 'max' | 'auto'
  /** What the GGUF recommends; a request that says nothing gets this. */
  readonly samplingDefaults: Omit<Sampling, 'penalties' | 'logitBias'>
  /** How long reading a prompt may hold up the streams that run beside it. */
  readonly stallTargetMs: number
  readonly port: MessagePort
}

/** One answer. Handed to the worker in a piscina task, whose promise tells only life and death. */
export interface GenerateTask {
  readonly type: 'generate'
  readonly prompt: EncodedPrompt
  /** Equal for all turns of one conversation. */
  readonly conversation: string
  /** Tokens; `null`: as many as the context holds. */
  readonly maxTokens: number | null
  readonly sampling: Sampling
  readonly stopSequences: readonly string[]
  readonly port: MessagePort
  /** Events that the worker may send before it waits for more credit. */
  readonly credit: number
}

export type DecodeTask = LoadTask | GenerateTask

/** The port of a load task, upwards. */
export type LoadProgress =
  | { readonly type: 'progress'; readonly fraction: number }
  | { readonly type: 'log'; readonly level: 'debug' | 'warn' | 'error'; readonly message: string }

/** The port of a generate task, downwards. */
export type ToWorker = { readonly type: 'credit'; readonly events: number } | { readonly type: 'cancel' }

/** The port of a generate task, upwards. */
export type FromWorker =
  | { readonly type: 'events'; readonly events: readonly StreamEvent[] }
  /** `detail` is for the log, never for the client. */
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly message: string; readonly detail: string }

export interface EncodedPrompt {
  /** Over shared memory, so that no thread copies it: the main thread keeps it to choose a worker. */
  readonly tokens: Uint32Array<SharedArrayBuffer>
  readonly marks: readonly PromptMark[]
  readonly output: OutputPlan
  /** Stop sequences of the format itself: a model without a template does not know where its turn ends. */
  readonly formatStops: readonly string[]
}

/** How to read an answer, and what to force on it. Made with the prompt, because it depends on the template and on the request. */
export interface OutputPlan {
  /** What the prompt already holds of a message of harmony, from behind its role; `null`: the model does not speak harmony. */
  readonly harmony: string | null
  readonly thinking: ThinkingPlan
  /** `null`: what looks like a call is text. */
  readonly calls: CallPlan | null
  /** GBNF that the whole text obeys; it begins when no thought is open. */
  readonly textGrammar: string | null
  /** Tokens that must not come: those that would begin a call nobody wants. */
  readonly bannedTokens: readonly number[]
  /** Control tokens whose text is part of the syntax; others have none. */
  readonly spokenTokens: readonly number[]
}

export interface ThinkingPlan {
  /** Opener and closer of the model, beside the usual ones. */
  readonly tags: readonly { readonly open: string; readonly close: string }[]
  /** The prompt ends inside a thought. */
  readonly startsOpen: boolean
  /** `false`: the client switched thinking off, so a thought that comes all the same is dropped. */
  readonly kept: boolean
  /** Thoughts end after so many tokens, by force. */
  readonly budgetTokens: number | null
  readonly closeTokens: readonly number[]
}

export interface CallPlan {
  readonly syntax: CallSyntax
  /** The prompt ends behind a trigger, so the answer begins inside a call. */
  readonly forced: boolean
  /** GBNF of what follows a trigger, to the end of the call. */
  readonly grammar: string
  readonly parallel: boolean
}

/** How a model writes a call of a tool: `trigger beforeName NAME beforeArguments {...} afterArguments`. */
export interface CallSyntax {
  /** Text that begins a call. */
  readonly trigger: string
  /** `true`: it is a marker, and begins a call wherever it stands. Else only at the beginning of an answer. */
  readonly anywhere: boolean
  /** `idHole` in what follows stands for an id of the model's own choice. */
  readonly beforeName: string
  readonly beforeArguments: string
  /** Up to where the turn ends, or the next call begins. */
  readonly afterArguments: string
  /** From the arguments of one call to the name of the next, where several share one trigger; `null`: each has its own. */
  readonly betweenCalls: string | null
}

/** A cache mark of the client, as the number of prompt tokens before it; ascending. */
export interface PromptMark {
  readonly position: number
  readonly mark: Exclude<CacheMark, null>
}

export type TokenizerTask =
  | { readonly type: 'load'; readonly modelPath: string; readonly port: MessagePort }
  | { readonly type: 'encode'; readonly request: GenerateRequest }
  | { readonly type: 'count'; readonly request: GenerateRequest }

/** A refusal travels as a value: an error class does not survive the way between threads. */
export type TokenizerResult =
  | { readonly type: 'loaded'; readonly thinking: boolean } // whether the model's format shows that it thinks
  | { readonly type: 'encoded'; readonly prompt: EncodedPrompt }
  | { readonly type: 'counted'; readonly tokens: number }
  | { readonly type: 'refused'; readonly kind: ErrorKind; readonly message: string }
