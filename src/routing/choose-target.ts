/** What `chooseTarget` needs to know of a target. */
export interface Candidate {
  /** Share of the load among neighbours that have one, too. */
  readonly weight: number | null
  /** Requests that run on it or wait for it. */
  readonly outstanding: number
  /** `null`: it must not be asked. */
  readonly reluctance: Reluctance | null
  /** It had the last turn of this conversation, so it has its cache. */
  readonly remembered: boolean
}

/** Reasons to ask another one, from none to the best: it is busy; it has asked for a rest; no worker is up. */
export type Reluctance = 0 | 1 | 2 | 3

/**
 * Of those that there is least reason to leave: the conversation's last one, else the first in order, else one of the first's
 * neighbours that share the load with it. `null`: there is none.
 * @param random 0 to 1
 * @returns its index
 */
export function chooseTarget(candidates: readonly Candidate[], random: () => number): number | null {
  const least = leastReluctance(candidates)
  if (least === null) return null
  const isFit = (candidate: Candidate): boolean => candidate.reluctance === least
  const remembered = candidates.findIndex((candidate) => candidate.remembered && isFit(candidate))
  if (remembered >= 0) return remembered
  const first = candidates.findIndex(isFit)
  if (candidates[first]?.weight === null) return first
  return lighterOfTwo(
    candidates,
    groupOf(candidates, first).filter((index) => isFit(at(candidates, index))),
    random,
  )
}

function leastReluctance(candidates: readonly Candidate[]): Reluctance | null {
  let least: Reluctance | null = null
  for (const { reluctance } of candidates) {
    if (reluctance !== null && (least === null || reluctance < least)) least = reluctance
  }
  return least
}

/** `first` and the neighbours behind it that have a weight, too; those before it are not fit. */
function groupOf(candidates: readonly Candidate[], first: number): readonly number[] {
  const group: number[] = []
  for (let index = first; index < candidates.length && at(candidates, index).weight !== null; index++) group.push(index)
  return group
}

/**
 * The power of two choices: of two that are drawn by weight the one that has less to do for its weight. To ask the least busy of
 * all would send everybody to the same one between two looks; when nobody is busy the weights alone decide.
 */
function lighterOfTwo(candidates: readonly Candidate[], group: readonly number[], random: () => number): number {
  const one = draw(candidates, group, random())
  const rest = group.filter((index) => index !== one)
  if (rest.length === 0) return one
  const other = draw(candidates, rest, random())
  return loadOf(at(candidates, other)) < loadOf(at(candidates, one)) ? other : one
}

function draw(candidates: readonly Candidate[], group: readonly number[], random: number): number {
  let rest = random * group.reduce((sum, index) => sum + weightOf(at(candidates, index)), 0)
  for (const index of group) {
    rest -= weightOf(at(candidates, index))
    if (rest < 0) return index
  }
  return group.at(-1) as number // rounding
}

function loadOf(candidate: Candidate): number {
  return candidate.outstanding / weightOf(candidate)
}

function weightOf({ weight }: Candidate): number {
  return weight ?? 1
}

function at(candidates: readonly Candidate[], index: number): Candidate {
  return candidates[index] as Candidate
}
