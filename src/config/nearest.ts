import { distance } from 'fastest-levenshtein'

/** The candidate that a typing error most likely meant, or `null` when none is near. Case, dashes and underscores do not count. */
export function nearest<Name extends string>(word: string, candidates: readonly Name[]): Name | null {
  const wanted = normalise(word)
  let best: Name | null = null
  // Two letters that swapped places count twice. Beyond that, more than two wrong letters in five make another word: no wild guesses.
  let bestDistance = Math.max(2, Math.floor(wanted.length * 0.4)) + 1
  for (const candidate of candidates) {
    const candidateDistance = distance(wanted, normalise(candidate))
    if (candidateDistance < bestDistance) {
      best = candidate
      bestDistance = candidateDistance
    }
  }
  return best
}

function normalise(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '')
}
