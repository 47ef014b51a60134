let second = Number.NaN
let untilSecond = ''

/** The time as a member of pino's lines. All but the milliseconds is written once a second: `toISOString` takes a microsecond. */
export function isoTime(): string {
  const now = Date.now()
  const milliseconds = now % 1000
  if (now - milliseconds !== second) {
    second = now - milliseconds
    untilSecond = `,"time":"${new Date(second).toISOString().slice(0, -'000Z'.length)}`
  }
  const digits = milliseconds < 10 ? `00${milliseconds}` : milliseconds < 100 ? `0${milliseconds}` : milliseconds
  return `${untilSecond}${digits}Z"`
}
