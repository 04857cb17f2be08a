/** Secrets that can be rotated while clients use them. */
import { Redacted } from "effect"

/** Earlier values that are still masked, since errors may repeat them for some minutes. */
const earlierKept = 8

/** A secret whose value can be replaced while clients use it; they read it for each call. */
export class RotatingSecret {
  #values: ReadonlyArray<string>
  #rotations = 0
  readonly #parts: (value: string) => ReadonlyArray<string>

  /** @param parts returns the parts of a value that must be masked too, such as the password in a URL */
  constructor(first: Redacted.Redacted, parts: (value: string) => ReadonlyArray<string> = () => []) {
    this.#values = [Redacted.value(first)]
    this.#parts = parts
  }

  get current(): string {
    return this.#values[0] ?? ""
  }

  /** How often it was replaced. */
  get rotations(): number {
    return this.#rotations
  }

  /** Everything to be masked: the current value, the last ones before it, and their parts. */
  get known(): ReadonlyArray<string> {
    return this.#values.flatMap((value) => [value, ...this.#parts(value)])
  }

  /** The next call uses this value. */
  replace(next: Redacted.Redacted): void {
    this.#values = [Redacted.value(next), ...this.#values.slice(0, earlierKept)]
    this.#rotations += 1
  }

  /** Never the value, which printing or serialising would reveal. */
  toJSON(): string {
    return "<redacted>"
  }
}

/** A configured secret: fixed or replaceable. */
export type Secret = Redacted.Redacted | RotatingSecret

/** The current value. */
export const secretNow = (secret: Secret): string =>
  secret instanceof RotatingSecret ? secret.current : Redacted.value(secret)
