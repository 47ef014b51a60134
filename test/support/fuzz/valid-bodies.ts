import type { SeededRandom } from './seeded-random.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

const user = (content: Json): Json => ({ role: 'user', content })
const assistant = (content: Json): Json => ({ role: 'assistant', content })
const text = (content: string): JsonObject => ({ type: 'text', text: content })

const weather: JsonObject = {
  name: 'get_weather',
  description: 'Get the current weather of a city',
  input_schema: {
    type: 'object',
    properties: {
      city: { type: 'string', maxLength: 8 },
      unit: { enum: ['celsius', 'fahrenheit'] },
      days: { type: 'array', items: { $ref: '#/$defs/day' }, maxItems: 2 },
    },
    $defs: { day: { type: 'integer', minimum: 1, maximum: 7 } },
    required: ['city'],
  },
}
const call: Json = { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris', days: [1] } }

/** One of each kind of request; mutations start from here. All ask for few tokens. */
const bodies: readonly (() => JsonObject)[] = [
  () => ({ messages: [user('Hello!')] }),
  () => ({
    system: [{ ...text('You are terse.'), cache_control: { type: 'ephemeral', ttl: '1h' } }, text('Bob is here.')],
    messages: [user([text('What is'), text('my name?')]), assistant('Hello'), user('Say OK')],
    metadata: { user_id: 'user_0a_account_1b_session_2c' },
    temperature: 0.5,
    top_p: 0.9,
    top_k: 10,
  }),
  () => ({
    tools: [
      { ...weather, cache_control: { type: 'ephemeral' } },
      { name: 'now', input_schema: { type: 'object' } },
    ],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    messages: [
      user('What is the weather in Paris?'),
      assistant([{ type: 'thinking', thinking: 'A tool knows.', signature: 'hd1.x' }, text('I ask.'), call]),
      user([{ type: 'tool_result', tool_use_id: 'toolu_1', content: [text('18 degrees')], is_error: false }]),
    ],
  }),
  () => ({ tools: [weather], tool_choice: { type: 'any' }, messages: [user('Hello!')] }),
  () => ({
    messages: [
      user([
        { type: 'document', source: { type: 'text', data: 'The word is apple.' }, title: 'Words' },
        { type: 'search_result', source: 'https://example.com', title: 'Fruit', content: [text('A pear.')] },
        text('Which word?'),
      ]),
      { role: 'system', content: 'Answer in one word.' },
    ],
    stop_sequences: ['\n\n', 'END'],
  }),
  () => ({
    messages: [user('Answer as JSON with keys name and age: Bob is 42')],
    output_config: {
      effort: 'low',
      format: {
        type: 'json_schema',
        schema: { type: 'object', properties: { name: { type: 'string', maxLength: 5 } }, required: ['name'] },
      },
    },
  }),
  () => ({
    max_tokens: 1100,
    thinking: { type: 'enabled', budget_tokens: 1024, display: 'omitted' },
    messages: [user('Say OK')],
  }),
  () => ({
    messages: [user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }])],
  }),
  () => ({
    thinking: { type: 'adaptive' },
    context_management: { edits: [] },
    messages: [
      user('Search for x'),
      assistant([
        { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
        { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [{ title: 'T', url: 'u' }] },
      ]),
      user('Héllo 日本 👩‍👩‍👧'),
    ],
  }),
]

export function validBody(random: SeededRandom, model: string): JsonObject {
  const body = random.pick(bodies)()
  return { model, max_tokens: 4, ...(random.chance(0.5) && { stream: true }), ...body }
}
