import { JsonSchema, Schema } from "effect"
import { loadVendor, resolver } from "hono-openapi"

/**
 * Teaches hono-openapi the schemas of Effect 4: its own converter knows those of Effect 3 alone. A named schema
 * (`identifier`) becomes a component.
 *
 * With the option `side: "type"` the decoded side is documented: a query parameter as the integer that it is, not as
 * the text that it comes as.
 */
export const teachEffectSchemas = (): void =>
  loadVendor("effect", {
    toOpenAPISchema: (schema, context) => {
      const given = schema as unknown as Schema.Top
      const side = context.options?.side === "type" ? Schema.toType(given) : given
      const { dialect, schema: root, definitions } = Schema.toJsonSchemaDocument(side)
      const document = JsonSchema.toMultiDocumentOpenApi3_1({ dialect, schemas: [root], definitions })
      context.components.schemas = { ...context.components.schemas, ...document.definitions }
      return document.schemas[0]
    },
  })

/** A schema as the content of a JSON answer in a route's description. */
export const jsonContent = (
  schema: Schema.Codec<unknown, unknown>,
): { "application/json": { schema: ReturnType<typeof resolver> } } => ({
  "application/json": { schema: resolver(Schema.toStandardSchemaV1(schema)) },
})
