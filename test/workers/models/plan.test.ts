import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readHardware } from '../../../workers/models/hardware.ts'
import type { ModelFacts } from '../../../workers/models/inspect.ts'
import { ModelError } from '../../../workers/models/model-error.ts'
import { type Hardware, type Plan, planResources, type ResourceSettings } from '../../../workers/models/plan.ts'

const gibibyte = 1024 ** 3

/** Llama 3.1 8B in Q4_K_M: 128 KiB of KV per token. */
const eightBillion: ModelFacts = {
  architecture: 'llama',
  displayName: null,
  parameters: 8e9,
  trainContextTokens: 131_072,
  layers: 32,
  kvBytesPerToken: 32 * 8 * (128 + 128) * 2,
  kvBytesPerSlot: 0,
  weightsBytes: 4.9e9,
  vocabularyTokens: 128_256,
  vocabularyKind: 'gpt2',
  embeddingWidth: 4096,
  feedForwardWidth: 14_336,
  chatTemplate: null,
  namedChatTemplates: {},
  sampling: { temperature: null, topK: null, topP: null, minP: null },
}

const tiny: ModelFacts = {
  ...eightBillion,
  trainContextTokens: 4096,
  kvBytesPerToken: 3072,
  weightsBytes: 4_612_096,
  vocabularyTokens: 3072,
  embeddingWidth: 256,
  feedForwardWidth: 512,
}

const allAuto: ResourceSettings = { workers: null, threads: null, slots: null, context: null, gpuLayers: null }

function machine(cores: number, gibibytes: number, ...gpuGibibytes: readonly number[]): Hardware {
  return {
    cores,
    memoryBytes: gibibytes * gibibyte,
    gpus: gpuGibibytes.map((gpu) => ({ memoryBytes: gpu * gibibyte })),
  }
}

function plan(facts: ModelFacts, hardware: Hardware, settings: Partial<ResourceSettings> = {}): Plan {
  return planResources({ facts, hardware, settings: { ...allAuto, ...settings } })
}

function figures({ workers, threads, slots, contextTokens, gpuLayers }: Plan) {
  return [workers, threads, slots, contextTokens, gpuLayers]
}

function refuses(facts: ModelFacts, hardware: Hardware, settings: Partial<ResourceSettings>, pattern: RegExp): void {
  assert.throws(
    () => plan(facts, hardware, settings),
    (cause) => {
      assert.ok(cause instanceof ModelError)
      assert.match(cause.message, pattern)
      return true
    },
  )
}

describe('the plan', () => {
  const cases: ReadonlyArray<readonly [string, ModelFacts, Hardware, Partial<ResourceSettings>, readonly unknown[]]> = [
    ['embedded on a laptop', tiny, machine(8, 8), {}, [1, 1, 4, 4096, 'auto']],
    ['embedded in half a gigabyte', tiny, machine(1, 0.5), {}, [1, 1, 4, 4096, 'auto']],
    ['8B on two cores and 24 GB', eightBillion, machine(2, 24), {}, [1, 2, 4, 16_384, 'auto']],
    ['8B on a laptop of 8 GB', eightBillion, machine(8, 8), {}, [1, 7, 1, 16_384, 'auto']],
    ['8B with room for two slots', eightBillion, machine(4, 10), {}, [1, 3, 2, 16_384, 'auto']],
    ['8B on 64 cores', eightBillion, machine(64, 256), {}, [1, 63, 4, 16_384, 'auto']],
    ['8B on a GPU', eightBillion, machine(16, 4, 24), {}, [1, 15, 4, 16_384, 'auto']],
    [
      '8B on two GPUs, all of it',
      eightBillion,
      machine(16, 1, 12, 12),
      { gpuLayers: 'max' },
      [1, 15, 4, 16_384, 'max'],
    ],
    [
      'as set',
      eightBillion,
      machine(16, 64),
      { workers: 2, threads: 5, slots: 3, context: 8000 },
      [2, 5, 3, 8000, 'auto'],
    ],
    ['threads shared by workers', eightBillion, machine(16, 64), { workers: 2 }, [2, 7, 4, 16_384, 'auto']],
    ['a longer context, fewer slots', eightBillion, machine(16, 18), { context: 65_536 }, [1, 15, 1, 65_536, 'auto']],
    ['more slots than by itself', tiny, machine(4, 4), { slots: 16 }, [1, 1, 16, 4096, 'auto']],
    ['layers by number', eightBillion, machine(4, 16, 4), { gpuLayers: 10 }, [1, 3, 4, 16_384, 10]],
  ]
  for (const [name, facts, hardware, settings, expected] of cases) {
    it(name, () => {
      const result = plan(facts, hardware, settings)
      assert.deepEqual(figures(result), expected)
      const { weights, kv, compute } = result.memoryBytes
      const gpuBytes = hardware.gpus.reduce((sum, gpu) => sum + gpu.memoryBytes, 0)
      assert.ok(weights + kv + compute <= hardware.memoryBytes + gpuBytes)
      for (const reason of result.reasons) assert.match(reason, /^(workers|threads|slots|context|warning)\b.*[^\n]$/)
    })
  }

  it('counts memory as the engine allocates it', () => {
    // llama.cpp's own figures for this shape: KV buffer 512 MiB, compute buffer 80 MiB, output buffer 0.5 MiB.
    const facts = {
      ...eightBillion,
      kvBytesPerToken: 8192,
      vocabularyTokens: 32_000,
      embeddingWidth: 2048,
      feedForwardWidth: 8192,
    }
    const { kv, compute } = plan(facts, machine(4, 64)).memoryBytes
    assert.equal(kv, 512 * 1024 ** 2)
    assert.ok(compute >= 80.5 * 1024 ** 2 && compute < 85 * 1024 ** 2, String(compute))
  })

  it('rounds a slot up to the cells that the engine takes, and adds what it holds anyway', () => {
    const { kv, weights } = plan({ ...tiny, kvBytesPerSlot: 1000 }, machine(8, 8), {
      context: 300,
      slots: 2,
      workers: 2,
    }).memoryBytes
    assert.equal(kv, 2 * 2 * (512 * 3072 + 1000))
    assert.equal(weights, 2 * tiny.weightsBytes)
  })

  it('says why', () => {
    assert.deepEqual(plan(eightBillion, machine(8, 8)).reasons, [
      'workers 1: many slots in one worker need less memory than many workers',
      'threads 7: 8 cores, one is left to the server',
      'context 16384: the model was trained on 131072; raise --context to use more',
      'slots 1: one more needs 1.1 GiB more memory; lower --context for more slots',
    ])
    assert.ok(plan(tiny, machine(8, 8)).reasons.includes('context 4096: all that the model was trained on'))
    assert.ok(plan({ ...tiny, trainContextTokens: null }, machine(8, 8)).reasons[2]?.includes('does not say'))
  })

  it('warns when threads outnumber the cores, and obeys', () => {
    const { threads, reasons } = plan(tiny, machine(2, 8), { workers: 2, threads: 2 })
    assert.equal(threads, 2)
    assert.ok(
      reasons.includes(
        'warning: 2 workers x 2 threads on 2 cores take turns, which is slow: lower --workers or --threads',
      ),
    )
    assert.equal(plan(eightBillion, machine(2, 64), { workers: 3 }).threads, 1)
  })

  it('never plans more threads than cores by itself', () => {
    for (let cores = 1; cores <= 128; cores += 1) {
      for (const workers of [null, 1, 2, 3]) {
        const result = plan(eightBillion, machine(cores, 1024), { workers })
        assert.ok(result.threads >= 1)
        assert.ok(
          result.workers > cores || result.workers * result.threads <= Math.max(1, cores >= 4 ? cores - 1 : cores),
        )
      }
    }
  })

  it('never takes more memory than there is, and more memory is never worse', () => {
    let before = 0
    for (let gibibytes = 7.5; gibibytes <= 32; gibibytes += 0.25) {
      const { slots, contextTokens, memoryBytes } = plan(eightBillion, machine(8, gibibytes))
      assert.ok(memoryBytes.weights + memoryBytes.kv + memoryBytes.compute <= gibibytes * gibibyte)
      assert.ok(slots * contextTokens >= before)
      before = slots * contextTokens
    }
    assert.equal(before, 4 * 16_384)
  })
})

describe('what cannot work', () => {
  it('a context beyond the training names both', () => {
    refuses(
      tiny,
      machine(8, 8),
      { context: 8192 },
      /^--context 8192 is more than the 4096 tokens this model was trained on: lower --context$/,
    )
    assert.equal(plan({ ...tiny, trainContextTokens: null }, machine(8, 8), { context: 8192 }).contextTokens, 8192)
  })

  it('too little memory names the flag that helps', () => {
    refuses(
      eightBillion,
      machine(8, 3),
      {},
      /^This model needs about 6\.8 GiB, 2\.8 GiB are free: use a smaller model or quantisation$/,
    )
    refuses(
      eightBillion,
      machine(8, 6),
      {},
      /needs about 6\.8 GiB, 5\.8 GiB are free: lower --context to \d+, or use a smaller/,
    )
    refuses(eightBillion, machine(8, 8), { slots: 4 }, /lower --slots or --context, or use a smaller/)
    refuses(eightBillion, machine(8, 8), { workers: 2 }, /lower --workers, or use a smaller/)
    refuses(eightBillion, machine(8, 64, 4), { gpuLayers: 'max' }, /4\.0 GiB are free/)
    refuses(tiny, machine(1, 0), {}, /0 bytes are free/)
  })

  it('the context it proposes does fit, and the next longer one does not', () => {
    const hardware = machine(8, 6)
    try {
      plan(eightBillion, hardware)
      assert.fail('must be refused')
    } catch (cause) {
      const proposed = Number(/--context to (\d+)/.exec(String(cause))?.[1])
      assert.equal(plan(eightBillion, hardware, { context: proposed }).contextTokens, proposed)
      refuses(eightBillion, hardware, { context: proposed + 256 }, /lower --context/)
    }
  })
})

describe('the hardware', () => {
  const machineFiles = {
    '/proc/meminfo': 'MemTotal:       16000000 kB\nMemFree:  100 kB\nMemAvailable:    8000000 kB\n',
  }

  function hardware(files: Readonly<Record<string, string>>): Hardware {
    return readHardware([], (path) => ({ ...machineFiles, ...files })[path] ?? null)
  }

  it('is what is available, not what is free', () => {
    assert.equal(hardware({}).memoryBytes, 8_000_000 * 1024)
    assert.ok(hardware({}).cores >= 1)
    assert.ok(readHardware().memoryBytes > 0)
    assert.deepEqual(readHardware([{ memoryBytes: 5 }]).gpus, [{ memoryBytes: 5 }])
  })

  it('is limited by a container: version 2, page cache counted as free', () => {
    const group = {
      '/sys/fs/cgroup/memory.max': '2000000000\n',
      '/sys/fs/cgroup/memory.current': '900000000\n',
      '/sys/fs/cgroup/memory.stat': 'anon 1\ninactive_file 400000000\nactive_file 5\n',
      '/sys/fs/cgroup/cpu.max': '50000 100000\n',
    }
    assert.deepEqual(hardware({ '/proc/self/cgroup': '0::/\n', ...group }), {
      cores: 1,
      memoryBytes: 1_500_000_000,
      gpus: [],
    })
    assert.equal(
      hardware({ '/sys/fs/cgroup/memory.max': 'max\n', '/sys/fs/cgroup/cpu.max': 'max 100000\n' }).memoryBytes,
      8_000_000 * 1024,
    )
  })

  it('is limited by a container: version 1', () => {
    const group = {
      '/proc/self/cgroup': '4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1000000000',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '300000000',
      '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 100000000\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '100000',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
    }
    assert.equal(hardware(group).cores, 1)
    assert.equal(hardware(group).memoryBytes, 800_000_000)
    const unlimited = { '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712' }
    assert.equal(hardware(unlimited).memoryBytes, 8_000_000 * 1024)
  })

  it('is limited by a service or any group above it', () => {
    const group = {
      '/proc/self/cgroup': '0::/system.slice/headend.service\n',
      '/sys/fs/cgroup/system.slice/headend.service/memory.max': 'max\n',
      '/sys/fs/cgroup/system.slice/memory.max': '3000000000\n',
      '/sys/fs/cgroup/system.slice/memory.current': '0\n',
    }
    assert.equal(hardware(group).memoryBytes, 3_000_000_000)
  })
})
