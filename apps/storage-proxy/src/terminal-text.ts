import { styleText } from "node:util"

export type Color = Parameters<typeof styleText>[0]

/** Text in colour where standard output is a terminal and `NO_COLOR` is not set. */
export const colored = (color: Color, text: string): string => styleText(color, text, { stream: process.stdout })

/** What an entry's status is shown in. */
export const statusColor: Readonly<Record<string, Color>> = {
  pending: "yellow",
  active: "green",
  error: "red",
  updating: "cyan",
  removing: "magenta",
  removed: "gray",
}

// What somebody wrote into Waldur shall not command a terminal.
const controls = /\p{Cc}/gu

/** Text of Waldur's as a terminal may have it: control characters are written out. */
export const harmless = (text: string): string =>
  text.replace(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A value of Waldur's for people: texts as they are, all else as JSON. */
export const shownValue = (value: unknown): string =>
  harmless(typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing"))
