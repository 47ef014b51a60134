import type { Markers } from '../../workers/formats/call-syntax.ts'

/** Texts that end a turn in one model or another. */
const turnEnds = [
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '</s>',
  '<end_of_turn>',
  '<turn|>',
  '<|return|>',
  '<|call|>',
  '<|calls|>',
  '<｜end▁of▁sentence｜>',
  '<|END_OF_TURN_TOKEN|>',
  '<|end_of_text|>',
  '<|message_sep|>',
  '<|role_end|>',
  '<SPECIAL_12>',
  '[e~[',
]

/** What the vocabulary of a template's model would say, as far as the template shows it: most vocabularies are not at hand. */
export function markersOf(source: string): Markers {
  const specials = [...source.matchAll(/<[|｜][^<>|｜\s'"]+[|｜]>|<\/?s>|\[\/?[A-Z_]{3,}\]|<(?:start|end)_of_turn>/g)]
  return { specials: oneOf(specials.map(([text]) => text)), turnEnds: oneOf(turnEnds) }
}

function oneOf(texts: readonly string[]): RegExp {
  const longestFirst = [...new Set(texts)].sort((one, other) => other.length - one.length)
  const alternatives = longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(alternatives.length === 0 ? '(?!)' : alternatives.join('|'), 'g')
}
