export function smallRequest(): unknown {
  return {
    model: 'headend-tiny',
    max_tokens: 100,
    stream: true,
    messages: [{ role: 'user', content: 'What is the capital of France?' }],
  }
}

/** About 100 KiB, as a coding agent sends in mid-work: tools with schemas, and a history of calls with results. */
export function agentRequest(): unknown {
  const tools = Array.from({ length: 16 }, (_, index) => ({
    name: `tool_${index}`,
    description: prose(1500, index),
    input_schema: {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 6 }, (_, key) => [`field_${key}`, { type: 'string', description: prose(120, key) }]),
      ),
      required: ['field_0'],
    },
  }))
  const turns = Array.from({ length: 16 }, (_, index) => [
    {
      role: 'assistant',
      content: [
        { type: 'text', text: prose(200, index) },
        { type: 'tool_use', id: `toolu_${index}`, name: `tool_${index}`, input: { field_0: prose(100, index) } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: `toolu_${index}`, content: prose(3000, index) }] },
  ])
  return {
    model: 'headend-tiny',
    max_tokens: 32_000,
    stream: true,
    system: [{ type: 'text', text: prose(6000, 99), cache_control: { type: 'ephemeral' } }],
    tools,
    messages: [{ role: 'user', content: prose(1000, 7) }, ...turns.flat()],
  }
}

const words = 'the model reads a line of the file and writes "one" more\n'.split(' ')

/** Ordinary text with quotes and line breaks, which JSON must escape; the same for the same seed. */
function prose(characters: number, seed: number): string {
  let text = ''
  for (let index = seed; text.length < characters; index += 7) text += `${words[index % words.length]} `
  return text.slice(0, characters)
}
