import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseRetryAfter } from '../../../src/backends/upstream/retry-after.ts'
import { explainRefusal, explainStreamError, type Refusal } from '../../../src/backends/upstream/upstream-error.ts'
import type { ErrorKind } from '../../../src/contract/errors.ts'

function refusal(status: number, body: unknown, overrides: Partial<Refusal> = {}): Refusal {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return {
    status,
    body: Buffer.from(text),
    retryAfter: null,
    contextTokens: null,
    promptTokens: null,
    passThroughCredentials: false,
    ...overrides,
  }
}

/** As OpenAI writes errors. */
function errorOf(message: string, more: Readonly<Record<string, unknown>> = {}): unknown {
  return { error: { message, type: 'invalid_request_error', param: null, code: null, ...more } }
}

const tooLong = (prompt: number, maximum: number) => `prompt is too long: ${prompt} tokens > ${maximum} maximum`

describe('a prompt that does not fit', () => {
  // Shapes and wordings of servers in the field; each figure is theirs, put where they put it.
  const cases: readonly [server: string, status: number, body: unknown, message: string][] = [
    [
      'OpenAI',
      400,
      errorOf(
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 6988 tokens. Please reduce the length of the messages.",
        { param: 'messages', code: 'context_length_exceeded' },
      ),
      tooLong(6988, 4097),
    ],
    [
      'OpenAI, with functions',
      400,
      errorOf(
        "This model's maximum context length is 8192 tokens. However, you requested 9213 tokens (7683 in the messages, 730 in the functions, and 800 in the completion).",
        { code: 'context_length_exceeded' },
      ),
      tooLong(8413, 8192),
    ],
    [
      'DeepSeek, where only the answer is too much',
      400,
      errorOf(
        "This model's maximum context length is 65536 tokens. However, you requested 69135 tokens (61135 in the messages, 8000 in the completion). Please reduce the length of the messages or completion.",
        { code: 'invalid_request_error' },
      ),
      'input length and `max_tokens` exceed context limit: 61135 + 8000 > 65536, decrease input length or `max_tokens` and try again',
    ],
    [
      'vLLM, before it wrapped its errors',
      400,
      {
        object: 'error',
        message:
          "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion. None",
        type: 'BadRequestError',
        param: null,
        code: 400,
      },
      tooLong(112946, 16384),
    ],
    [
      'vLLM',
      400,
      errorOf(
        "This model's maximum context length is 131072 tokens. However, you requested 102400 output tokens and your prompt contains at least 28673 input tokens, for a total of at least 131073 tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=28673)",
        { type: 'BadRequestError', param: 'input_tokens', code: 400 },
      ),
      'input length and `max_tokens` exceed context limit: 28673 + 102400 > 131072, decrease input length or `max_tokens` and try again',
    ],
    [
      'vLLM, on max_tokens',
      400,
      errorOf(
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 8192 tokens and your request has 5000 input tokens (4096 > 8192 - 5000). None",
        { type: 'BadRequestError', code: 400 },
      ),
      'input length and `max_tokens` exceed context limit: 5000 + 4096 > 8192, decrease input length or `max_tokens` and try again',
    ],
    [
      'llama-server',
      400,
      {
        error: {
          code: 400,
          message: 'request (25837 tokens) exceeds the available context size (25088 tokens), try increasing it',
          type: 'exceed_context_size_error',
          n_prompt_tokens: 25837,
          n_ctx: 25088,
        },
      },
      tooLong(25837, 25088),
    ],
    [
      'an early llama-server',
      500,
      {
        error: {
          code: 500,
          message:
            'the request exceeds the available context size. try increasing the context size or enable context shift',
          type: 'exceed_context_size_error',
          n_prompt_tokens: 1407,
          n_ctx: 256,
        },
      },
      tooLong(1407, 256),
    ],
    [
      'Ollama',
      400,
      { error: 'the input length exceeds the context length' },
      'prompt is too long: the input length exceeds the context length',
    ],
    [
      'LM Studio',
      400,
      {
        error:
          'Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input',
      },
      tooLong(111490, 32768),
    ],
    [
      'LM Studio since 0.4',
      400,
      { error: 'Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)' },
      tooLong(15028, 7424),
    ],
    [
      'Mistral',
      400,
      {
        object: 'error',
        message: 'Prompt contains 300000 tokens, too large for model with 131072 maximum context length',
        type: 'invalid_request_error',
        code: '3051',
      },
      tooLong(300000, 131072),
    ],
    [
      'SGLang',
      400,
      {
        object: 'error',
        message: "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        type: 'BadRequestError',
        param: null,
        code: 400,
      },
      tooLong(61709, 40960),
    ],
    [
      'OpenRouter',
      400,
      {
        error: {
          message:
            'This endpoint\'s maximum context length is 131072 tokens. However, you requested about 141607 tokens (10535 of text input, 131072 in the output). Please reduce the length of either one, or use the "middle-out" transform.',
          code: 400,
          metadata: { provider_name: 'Chutes' },
        },
      },
      'input length and `max_tokens` exceed context limit: 10535 + 131072 > 131072, decrease input length or `max_tokens` and try again',
    ],
    [
      'Anthropic',
      400,
      {
        type: 'error',
        error: { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' },
      },
      tooLong(210000, 200000),
    ],
    [
      'Anthropic, where only the answer is too much',
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message:
            'input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length or `max_tokens` and try again',
        },
      },
      'input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length or `max_tokens` and try again',
    ],
    ['llama-cpp-python', 500, errorOf('Requested tokens (2285) exceed context window of 2048'), tooLong(2285, 2048)],
    ['a code and no text', 400, { error: { code: 'context_length_exceeded' } }, 'prompt is too long'],
  ]
  for (const [server, status, body, message] of cases) {
    test(server, () => {
      const error = explainRefusal(refusal(status, body))
      assert.equal(error.kind, 'context-overflow')
      assert.equal(error.message, message)
    })
  }

  test('what is known of the model stands in for a limit that the upstream does not say', () => {
    const body = { error: { type: 'exceed_context_size_error', message: 'too much', n_prompt_tokens: 9000 } }
    assert.equal(explainRefusal(refusal(400, body, { contextTokens: 8192 })).message, tooLong(9000, 8192))
    assert.equal(explainRefusal(refusal(400, body)).message, 'prompt is too long: too much')
  })

  test('what was estimated here stands in for a length that the upstream does not say, and is never within the limit', () => {
    const body = { error: { code: 'context_length_exceeded', message: 'too much' } }
    const own = { contextTokens: 8192, promptTokens: 9000 }
    assert.equal(explainRefusal(refusal(400, body, own)).message, tooLong(9000, 8192))
    assert.equal(explainRefusal(refusal(400, body, { ...own, promptTokens: 8000 })).message, tooLong(8193, 8192))
  })

  test('inside a stream', () => {
    const error = explainStreamError({ code: 500, message: 'Context size has been exceeded.', type: 'server_error' })
    assert.equal(error.kind, 'context-overflow')
    assert.equal(error.message, 'prompt is too long: Context size has been exceeded.')
  })

  test('too long an answer alone is another error', () => {
    const message = 'max_tokens is too large: 100000. This model supports at most 16384 completion tokens.'
    assert.equal(explainRefusal(refusal(400, errorOf(message))).kind, 'invalid-request')
  })

  test('a limit on tokens per minute is a limit, whatever it says of lengths', () => {
    const body = errorOf('Request too large on tokens per min, see maximum context length', {
      code: 'rate_limit_exceeded',
    })
    assert.equal(explainRefusal(refusal(429, body)).kind, 'upstream-limited')
  })
})

describe('a refusal by status', () => {
  const statuses: readonly [number, ErrorKind][] = [
    [400, 'invalid-request'],
    [401, 'upstream-unauthorized'],
    [402, 'upstream-limited'],
    [403, 'upstream-unauthorized'],
    [404, 'upstream-not-found'],
    [405, 'upstream-failed'],
    [408, 'upstream-timeout'],
    [409, 'upstream-failed'],
    [410, 'upstream-not-found'],
    [413, 'body-too-large'],
    [418, 'invalid-request'],
    [422, 'invalid-request'],
    [429, 'upstream-limited'],
    [500, 'upstream-failed'],
    [502, 'upstream-failed'],
    [503, 'upstream-overloaded'],
    [504, 'upstream-timeout'],
    [524, 'upstream-timeout'],
    [529, 'upstream-overloaded'],
  ]
  for (const [status, kind] of statuses) {
    test(`${status} is ${kind}`, () => {
      const error = explainRefusal(refusal(status, errorOf('What it says.')))
      assert.equal(error.kind, kind)
      const told = kind === 'upstream-unauthorized' ? 'upstream authentication failed' : 'What it says.'
      assert.equal(error.message, told)
      assert.equal(error.retryAfterSeconds, null)
    })
  }

  test('a credential of the client is its own affair', () => {
    const own = { passThroughCredentials: true }
    const missing = explainRefusal(refusal(401, errorOf('You need a key.'), own))
    assert.deepEqual([missing.kind, missing.message], ['unauthenticated', 'You need a key.'])
    assert.equal(explainRefusal(refusal(403, errorOf('Not you.'), own)).kind, 'forbidden')
    assert.equal(explainRefusal(refusal(404, errorOf('No.'), own)).kind, 'upstream-not-found')
  })

  test('redirects are not followed, and where they lead is not told', () => {
    const error = explainRefusal(refusal(307, '<a href="https://elsewhere.test/?secret=1">here</a>'))
    assert.equal(error.kind, 'upstream-failed')
    assert.match(error.message, /redirect \(307\), and headend follows none/)
    assert.doesNotMatch(error.message, /elsewhere|secret/)
  })

  test('how long to wait', () => {
    const body = errorOf('Slow down.')
    assert.equal(explainRefusal(refusal(429, body, { retryAfter: '7' })).retryAfterSeconds, 7)
    assert.equal(explainRefusal(refusal(503, body, { retryAfter: '7' })).retryAfterSeconds, 7)
    assert.equal(explainRefusal(refusal(429, body, { retryAfter: '7', retryAfterMs: '2100' })).retryAfterSeconds, 3)
    assert.equal(explainRefusal(refusal(400, body, { retryAfter: '7' })).retryAfterSeconds, null)
  })

  test('nobody is sent back in vain when the account is empty', () => {
    const quota = errorOf('You exceeded your current quota.', {
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    })
    assert.deepEqual(explainRefusal(refusal(429, quota)).headers, { 'x-should-retry': 'false' })
    assert.deepEqual(explainRefusal(refusal(402, errorOf('Insufficient Balance'))).headers, {
      'x-should-retry': 'false',
    })
    const busy = errorOf('Rate limit reached.', { type: 'tokens', code: 'rate_limit_exceeded' })
    assert.deepEqual(explainRefusal(refusal(429, busy)).headers, {})
  })
})

describe('what the upstream says', () => {
  const cases: readonly [server: string, body: unknown, message: string][] = [
    [
      'OpenAI',
      errorOf("Unsupported value: 'temperature' does not support 0.5."),
      "Unsupported value: 'temperature' does not support 0.5.",
    ],
    [
      'mlx_lm.server',
      { error: 'max_tokens must be a non-negative integer' },
      'max_tokens must be a non-negative integer',
    ],
    [
      'FastAPI',
      { detail: [{ type: 'missing', loc: ['body', 'messages'], msg: 'Field required', input: {} }] },
      'body.messages: Field required',
    ],
    [
      'Mistral',
      { object: 'error', message: { detail: [{ loc: ['body', 'model'], msg: 'Field required' }] }, code: 422 },
      'body.model: Field required',
    ],
    [
      'OpenRouter, about a provider',
      {
        error: {
          message: 'Provider returned error',
          code: 400,
          metadata: {
            raw: '{"error":{"message":"At most 1 image.","type":"invalid_request_error"}}',
            provider_name: 'X',
          },
        },
        user_id: 'org_1',
      },
      'At most 1 image.',
    ],
    [
      'OpenRouter, about a silent provider',
      { error: { message: 'Provider returned error', code: 400 } },
      'Provider returned error',
    ],
    ["Google's list of one", [{ error: { code: 400, message: 'Bad.', status: 'INVALID_ARGUMENT' } }], 'Bad.'],
    ['a plain text', '404 page not found\n', '404 page not found'],
    ['what only looks like JSON', '{oops', '{oops'],
    ['a web page', '<!DOCTYPE html><title>502</title>', 'the upstream answered with status 400 and no explanation'],
    [
      'a web page inside JSON',
      { error: { message: '<html><body>Cannot POST</body></html>' } },
      'the upstream answered with status 400 and no explanation',
    ],
    ['nothing', '', 'the upstream answered with status 400 and no explanation'],
  ]
  for (const [server, body, message] of cases) {
    test(server, () => assert.equal(explainRefusal(refusal(400, body)).message, message))
  }

  test('long texts are cut, and not inside a character', () => {
    const { message } = explainRefusal(refusal(400, errorOf(`${'x'.repeat(1999)}😀 and so on`)))
    assert.equal(message, `${'x'.repeat(1999)}...`)
    assert.match(explainRefusal(refusal(400, 'x'.repeat(300_000))).message, /no explanation/)
  })

  test('errors wrapped without end are not unwrapped without end', () => {
    let body: unknown = 'inside'
    for (let depth = 0; depth < 10_000; depth++) body = { error: body }
    assert.match(explainStreamError(body).message, /no explanation/)
  })

  test('keys that it repeats are left out', () => {
    const said =
      'Incorrect API key provided: sk-proj-abc123def456ghi. Header was Bearer abcdefgh.ijkl, see task-12345678901234.'
    const { message } = explainRefusal(refusal(400, errorOf(said)))
    assert.equal(message, 'Incorrect API key provided: [key]. Header was Bearer [key], see task-12345678901234.')
  })
})

describe('an error inside a stream', () => {
  const cases: readonly [name: string, error: unknown, kind: ErrorKind, message: string][] = [
    [
      'OpenRouter',
      { code: 502, message: 'Provider disconnected', metadata: { error_type: 'x' } },
      'upstream-failed',
      'Provider disconnected',
    ],
    [
      'OpenRouter, limited',
      { code: 429, message: 'Provider returned error', metadata: { raw: 'slow down, please' } },
      'upstream-limited',
      'slow down, please',
    ],
    [
      'vLLM',
      { message: 'Bad input.', type: 'BadRequestError', param: null, code: 400 },
      'invalid-request',
      'Bad input.',
    ],
    [
      'llama-server',
      { code: 503, message: 'Loading model', type: 'unavailable_error' },
      'upstream-overloaded',
      'Loading model',
    ],
    ['Anthropic', { type: 'overloaded_error', message: 'Overloaded' }, 'upstream-overloaded', 'Overloaded'],
    [
      'a whole event of Anthropic',
      { type: 'error', error: { type: 'api_error', message: 'Oh no' } },
      'upstream-failed',
      'Oh no',
    ],
    [
      'OpenAI',
      { message: 'The server had an error', type: 'server_error', code: null },
      'upstream-failed',
      'The server had an error',
    ],
    [
      'OpenAI, limited',
      { message: 'Rate limit reached', type: 'tokens', code: 'rate_limit_exceeded' },
      'upstream-limited',
      'Rate limit reached',
    ],
    [
      'a bad key',
      { message: 'Incorrect: sk-1', code: 'invalid_api_key' },
      'upstream-unauthorized',
      'upstream authentication failed',
    ],
    ['a status as text', { code: '504', message: 'Too slow' }, 'upstream-timeout', 'Too slow'],
    ['a text', 'out of memory', 'upstream-failed', 'out of memory'],
    ['a number', 5, 'upstream-failed', 'the upstream reported an error and no explanation'],
    ['nothing', null, 'upstream-failed', 'the upstream reported an error and no explanation'],
    [
      'a name of every object',
      { code: 'constructor', type: 'rate_limit_error', message: 'odd' },
      'upstream-limited',
      'odd',
    ],
  ]
  for (const [name, error, kind, message] of cases) {
    test(name, () => {
      const explained = explainStreamError(error)
      assert.deepEqual([explained.kind, explained.message], [kind, message])
    })
  }
})

test('retry-after is read as seconds, as a date, and as milliseconds', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5)
  const cases: readonly [string | null, string | null, number | null][] = [
    ['3', null, 3],
    ['0', null, 1],
    ['2.2', null, 3],
    ['90000', null, 86_400],
    ['Fri, 02 Jan 2026 03:04:35 GMT', null, 30],
    ['Fri, 02 Jan 2026 03:00:00 GMT', null, 1],
    ['3', '1500', 2],
    ['3', 'soon', 3],
    ['soon', null, null],
    ['-5', null, null],
    ['', null, null],
    [null, null, null],
  ]
  for (const [seconds, ms, expected] of cases) {
    assert.equal(parseRetryAfter(seconds, ms, now), expected, `${seconds} ${ms}`)
  }
})
