/**
 * Who is there now, for members that come and go with every request. A Set would do, but that V8 copies its table every now and then: the
 * copy that is left behind still names who was there, and in old memory keeps all of their requests alive until the next full
 * collection: an eighth of all that was allocated, with 16 requests at once.
 */
export class Roster<Member> {
  /** `null`: a place that is free. The list never becomes shorter, for the same reason. */
  readonly #places: (Member | null)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#places.length - this.#free.length
  }

  /** @returns where it stands, for `remove` */
  add(member: Member): number {
    const place = this.#free.pop() ?? this.#places.length
    this.#places[place] = member
    return place
  }

  /** @param place of somebody who is there */
  remove(place: number): void {
    this.#places[place] = null
    this.#free.push(place)
  }

  /** Those who are there now: they may leave while they are called. */
  list(): readonly Member[] {
    return this.#places.filter((member) => member !== null)
  }
}
