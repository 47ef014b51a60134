import {
  type Llama,
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
  TokenBias,
} from 'node-llama-cpp'
import type { Sampling } from '../src/contract/request.ts'
import type { AnswerParser } from './answer-parser.ts'
import type { OutputPlan } from './messages.ts'

/** Agents send the same tools with every turn, and the first state of a grammar for forty of them takes milliseconds to build. */
const cachedStatesMax = 16

/** First states of grammars by their text, least recently used first. */
export class GrammarCache {
  readonly #llama: Llama
  readonly #model: LlamaModel
  readonly #states = new Map<string, LlamaGrammarEvaluationState>()
  /** Tokens that a grammar takes for their text, though they have none in an answer. */
  readonly #controlTokens: readonly Token[]
  readonly #vocabularySize: number

  constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama
    this.#model = model
    const tokens = [...model.iterateAllTokens()]
    this.#vocabularySize = tokens.length
    this.#controlTokens = tokens.filter((token) => model.getTokenAttributes(token).control && !model.isEogToken(token))
  }

  /** At its beginning. A state that was used is never copied: in mid-answer that costs more than building it. */
  open(gbnf: string): LlamaGrammarEvaluationState {
    const state = this.#states.get(gbnf) ?? this.#build(gbnf)
    this.#states.delete(gbnf)
    this.#states.set(gbnf, state)
    const [oldest] = this.#states.keys()
    if (this.#states.size > cachedStatesMax && oldest !== undefined) this.#states.delete(oldest)
    return state.clone()
  }

  /** Keeps control tokens out of what a grammar allows, but for those that the syntax of a call is made of. Wishes count for less. */
  ban(tokens: readonly number[], spoken: readonly number[] | null, wishes: Sampling['logitBias']): TokenBias {
    const bias = new TokenBias(this.#model.tokenizer)
    for (const [key, logit] of wishes === null ? [] : Object.entries(wishes)) {
      if (Number(key) < this.#vocabularySize) bias.set(Number(key) as Token, { logit })
    }
    for (const token of tokens) bias.set(token as Token, 'never')
    if (spoken === null) return bias
    for (const token of this.#controlTokens) if (!spoken.includes(token)) bias.set(token, 'never')
    return bias
  }

  #build(gbnf: string): LlamaGrammarEvaluationState {
    const grammar = new LlamaGrammar(this.#llama, { grammar: gbnf })
    return new LlamaGrammarEvaluationState({ model: this.#model, grammar })
  }
}

/** Which grammar the next token obeys: a call's while one is open, the text's once no thought is, else none. */
export class GrammarSwitch {
  readonly #cache: GrammarCache
  readonly #plan: OutputPlan
  readonly #wishes: Sampling['logitBias']
  #call: LlamaGrammarEvaluationState | undefined
  #text: LlamaGrammarEvaluationState | undefined
  readonly #freeBias: TokenBias
  /** Made when the grammar begins: most answers never need one, and a vocabulary may have thousands of control tokens. */
  #callBias: TokenBias | null = null
  #textBias: TokenBias | null = null

  /** @param wishes the client's own; what the answer must be made of goes before them */
  constructor(cache: GrammarCache, plan: OutputPlan, wishes: Sampling['logitBias']) {
    this.#cache = cache
    this.#plan = plan
    this.#wishes = wishes
    this.#freeBias = cache.ban(plan.bannedTokens, null, wishes)
    if (plan.calls?.forced) this.#call = cache.open(plan.calls.grammar)
  }

  readonly current = (): LlamaGrammarEvaluationState | undefined => this.#call ?? this.#text

  readonly bias = (): TokenBias => {
    const { bannedTokens, spokenTokens, harmony } = this.#plan
    if (this.#call !== undefined) {
      this.#callBias ??= this.#cache.ban(bannedTokens, spokenTokens, this.#wishes)
      return this.#callBias
    }
    if (this.#text === undefined) return this.#freeBias
    // The grammar of a text covers calls, too, but for harmony, whose calls are messages of their own.
    this.#textBias ??= this.#cache.ban(bannedTokens, harmony === null ? spokenTokens : [], this.#wishes)
    return this.#textBias
  }

  /** To be told of every token once it is parsed, and once before the first. */
  follow(parser: AnswerParser): void {
    const { calls, textGrammar } = this.#plan
    // The grammar of forced calls holds to the end of the answer.
    if (!parser.inCall && !calls?.forced) this.#call = undefined
    // Where the text obeys a grammar, that covers calls, too.
    else if (parser.atCallStart && calls !== null && this.#call === undefined && this.#text === undefined) {
      this.#call = this.#cache.open(calls.grammar)
    }
    if (textGrammar !== null && this.#text === undefined && this.#call === undefined && !parser.awaitsText) {
      this.#text = this.#cache.open(textGrammar)
    }
  }
}
