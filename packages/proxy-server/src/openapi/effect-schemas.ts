import { JsonSchema, Schema } from "effect"
import { loadVendor, resolver } from "hono-openapi"

/**
 * Registers Effect 4's schemas with hono-openapi, whose own converter supports only those of Effect 3. A named schema
 * (`identifier`) becomes a component.
 *
 * With the option `side: "type"` the decoded side is documented: a query parameter as the integer that it represents,
 * not as the text that is sent.
 */
export const teachEffectSchemas = (): void =>
  loadVendor("effect", {
    toOpenAPISchema: (schema, context) => {
      const given = schema as unknown as Schema.Top
      const side = context.options?.side === "type" ? Schema.toType(given) : given
      const { dialect, schema: root, definitions } = Schema.toJsonSchemaDocument(side)
      const document = JsonSchema.toMultiDocumentOpenApi3_1({ dialect, schemas: [root], definitions })
      context.components.schemas = { ...context.components.schemas, ...withoutSafeBounds(document.definitions) }
      return withoutSafeBounds(document.schemas[0])
    },
  })

/**
 * Removes the safe-integer bounds that Effect adds to every integer. They would be false as limits: a page beyond them
 * is accepted and empty.
 */
const withoutSafeBounds = <A>(node: A): A => {
  if (Array.isArray(node)) return node.map(withoutSafeBounds) as A
  if (typeof node !== "object" || node === null) return node
  return Object.fromEntries(
    Object.entries(node)
      .filter(
        ([key, value]) =>
          !(key === "minimum" && value === Number.MIN_SAFE_INTEGER) &&
          !(key === "maximum" && value === Number.MAX_SAFE_INTEGER),
      )
      .map(([key, value]) => [key, withoutSafeBounds(value)]),
  ) as A
}

/** A schema as the content of a JSON response in a route's description. */
export const jsonContent = (
  schema: Schema.Codec<unknown, unknown>,
): { "application/json": { schema: ReturnType<typeof resolver> } } => ({
  "application/json": { schema: resolver(Schema.toStandardSchemaV1(schema)) },
})
