import type { Bench } from 'tinybench'

/** Median and p99 of each case; the mean hides what a collection of garbage costs. */
export function printBench(title: string, bench: Bench): void {
  console.log(`\n${title}`)
  for (const task of bench.tasks) {
    const { result } = task
    if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`)
    const { latency } = result
    const figures = [micros(latency.p50), micros(latency.p99), String(latency.samplesCount)]
    console.log(`  ${task.name.padEnd(46)} median ${figures[0]}  p99 ${figures[1]}  of ${figures[2]}`)
  }
}

function micros(milliseconds: number): string {
  return `${(milliseconds * 1000).toFixed(2)} us`.padStart(12)
}
