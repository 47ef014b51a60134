/** One line about a long job, redrawn in place. Shown on a terminal only: a log has no use for it. */
export interface ProgressLine {
  show(text: string): void
  /** Leaves the terminal to others. */
  end(): void
}

export interface ProgressTarget {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const redrawMs = 100
const eraseLine = '\r\x1b[K'

export function createProgressLine(target: ProgressTarget): ProgressLine {
  let shownAt = Number.NEGATIVE_INFINITY
  let drawn = false
  return {
    show(text) {
      const now = performance.now()
      if (!target.isTTY || now - shownAt < redrawMs) return
      shownAt = now
      drawn = true
      target.write(`${eraseLine}${text}`)
    },
    end() {
      if (drawn) target.write(eraseLine)
      drawn = false
    },
  }
}
