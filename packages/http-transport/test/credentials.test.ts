import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { withoutSecrets } from "../src/index.ts"

it("a secret is masked, and to the end of its word where only its start is left", () => {
  assert.strictEqual(withoutSecrets("got Bearer abcdefghijkl, why?", ["abcdefghijkl"]), "got Bearer ***, why?")
  assert.strictEqual(withoutSecrets("got Bearer abcdefghi…", ["abcdefghijkl"]), "got Bearer ***")
  assert.strictEqual(withoutSecrets('{"token":"abcdefghijkl"}', ["abcdefghijkl"]), '{"token":"***"}')
})

it("a secret with white space is masked", () => {
  assert.strictEqual(withoutSecrets("the phrase open sesame was wrong", ["open sesame"]), "the phrase *** was wrong")
})

it("an empty secret hides nothing", () => {
  assert.strictEqual(withoutSecrets("all of it", [""]), "all of it")
})

it.prop(
  "no text keeps a secret that it holds",
  { before: Schema.String, secret: Schema.NonEmptyString.check(Schema.isMinLength(4)), after: Schema.String },
  ({ before, secret, after }) => {
    const masked = withoutSecrets(`${before}${secret}${after}`, [secret])
    return secret.includes("*") || !masked.includes(secret)
  },
)
