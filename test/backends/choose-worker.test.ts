import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseWorker, type Placed, type WorkerLoad } from '../../src/backends/local/choose-worker.ts'

interface NamedWorker extends WorkerLoad {
  readonly name: string
}

function worker(name: string, facts: Partial<Omit<WorkerLoad, 'slotCount'>> = {}): NamedWorker {
  return { name, ready: true, busyCount: 0, recent: [], slotCount: 4, ...facts }
}

function placed(conversation: string, ...prompt: readonly number[]): Placed {
  return { conversation, prompt: Uint32Array.from(prompt) }
}

const job = placed('c', 1, 2, 3, 4, 5, 6)

const cases: readonly {
  readonly name: string
  readonly workers: readonly NamedWorker[]
  readonly chosen: string | null
}[] = [
  {
    name: 'the worker of the last turn, even when it is the busiest and another holds more of the prompt',
    workers: [
      worker('idle', { recent: [placed('d', 1, 2, 3, 4, 5)] }),
      worker('mine', { busyCount: 3, recent: [placed('c', 1)] }),
    ],
    chosen: 'mine',
  },
  {
    name: 'a full worker is not chosen, even by its own conversation',
    workers: [worker('mine', { busyCount: 4, recent: [job] }), worker('other', { busyCount: 3 })],
    chosen: 'other',
  },
  {
    name: 'the worker that holds at least half of the prompt',
    workers: [worker('idle'), worker('holds', { busyCount: 2, recent: [placed('d', 1, 2, 3, 9)] })],
    chosen: 'holds',
  },
  {
    name: 'less than half of the prompt is sooner read by an idle worker',
    workers: [worker('holds', { busyCount: 2, recent: [placed('d', 1, 2, 9)] }), worker('idle')],
    chosen: 'idle',
  },
  {
    name: 'the longest of several shared prefixes',
    workers: [
      worker('four', { recent: [placed('d', 1, 2, 3, 4)] }),
      worker('five', { busyCount: 1, recent: [placed('x', 9), placed('e', 1, 2, 3, 4, 5)] }),
    ],
    chosen: 'five',
  },
  {
    name: 'of equal prefixes the worker with more idle slots',
    workers: [
      worker('busier', { busyCount: 2, recent: [placed('d', 1, 2, 3)] }),
      worker('idler', { busyCount: 1, recent: [placed('e', 1, 2, 3)] }),
    ],
    chosen: 'idler',
  },
  {
    name: 'nothing shared: the most idle slots',
    workers: [worker('two busy', { busyCount: 2 }), worker('idle'), worker('one busy', { busyCount: 1 })],
    chosen: 'idle',
  },
  {
    name: 'workers that are not ready are passed over',
    workers: [worker('loading', { ready: false, recent: [job] }), worker('ready', { busyCount: 3 })],
    chosen: 'ready',
  },
  { name: 'all busy', workers: [worker('one', { busyCount: 4 }), worker('other', { busyCount: 4 })], chosen: null },
  { name: 'none ready', workers: [worker('loading', { ready: false })], chosen: null },
  { name: 'no workers', workers: [], chosen: null },
]

for (const { name, workers, chosen } of cases) {
  test(name, () => assert.equal(chooseWorker(workers, job)?.name ?? null, chosen))
}
