/** Formats microseconds since 1970 in Waldur's notation, `2025-10-19T01:15:22.470210Z`. */
export function instant(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000)
  const fraction = String(microseconds % 1_000_000).padStart(6, "0")
  // join(), because a concatenated string keeps its parts in memory.
  return [secondText(seconds), fraction, "Z"].join("")
}

let lastSecond = Number.NaN
let lastText = ""

function secondText(second: number): string {
  if (second !== lastSecond) {
    lastSecond = second
    lastText = new Date(second * 1000).toISOString().slice(0, 20)
  }
  return lastText
}
