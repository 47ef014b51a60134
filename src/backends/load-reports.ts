import { createProgressReporter } from '../../workers/models/download-progress.ts'
import type { Log } from '../observe/log.ts'
import { createProgressLine } from '../observe/progress.ts'
import type { BackendReports } from './registry.ts'

/** Shows downloads and loading as they go on, on standard error, and keeps what matters in the log. */
export function createLoadReports(log: Log): BackendReports & { end(): void } {
  const loading = createProgressLine(process.stderr)
  return {
    downloading: createProgressReporter(process.stderr),
    loading(report) {
      if (report.type === 'progress') loading.show(`Loading the model: ${Math.floor(report.fraction * 100)} %`)
      else log[report.level](report.message)
    },
    trouble(message, cause) {
      log.error(cause === null ? {} : { err: cause }, message)
    },
    end: () => loading.end(),
  }
}
