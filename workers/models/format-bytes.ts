const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `5.2 GiB`, `310 MiB`: for people. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${amount < 10 && unit > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[unit]}`
}
