import type { Any } from "./a-proxy.ts"

/**
 * The violations in `value` of a JSON Schema from the OpenAPI document, as `path: why`. Knows the keywords that the
 * document uses; any other is a violation itself, so that nothing passes unchecked.
 */
export const violations = (value: unknown, schema: Any, document: Any, path = "$"): ReadonlyArray<string> => {
  if (schema === true || schema === undefined) return schema === undefined ? [`${path}: not described`] : []
  const found: Array<string> = []
  const wrong = (why: string) => {
    found.push(`${path}: ${why}`)
  }
  for (const [keyword, wanted] of Object.entries<Any>(schema)) {
    switch (keyword) {
      case "$ref": {
        const target = wanted
          .slice(2)
          .split("/")
          .reduce((node: Any, key: string) => node?.[key], document)
        found.push(...violations(value, target, document, path))
        break
      }
      case "type":
        if (![wanted].flat().some((type: string) => isOfType(value, type))) wrong(`${typeof value} is not ${wanted}`)
        break
      case "enum":
        if (!wanted.includes(value)) wrong(`${JSON.stringify(value)} is none of ${wanted}`)
        break
      case "const":
        if (value !== wanted) wrong(`${JSON.stringify(value)} is not ${wanted}`)
        break
      case "anyOf":
      case "oneOf": {
        const each = wanted.map((one: Any) => violations(value, one, document, path))
        if (!each.some((one: ReadonlyArray<string>) => one.length === 0)) found.push(...each.flat())
        break
      }
      case "allOf":
        for (const one of wanted) found.push(...violations(value, one, document, path))
        break
      case "required":
        if (isObject(value)) for (const key of wanted) if (!Object.hasOwn(value, key)) wrong(`lacks ${key}`)
        break
      case "properties":
        if (isObject(value)) {
          for (const [key, inner] of Object.entries(value)) {
            if (Object.hasOwn(wanted, key)) found.push(...violations(inner, wanted[key], document, `${path}.${key}`))
          }
        }
        break
      case "additionalProperties":
        if (isObject(value)) {
          for (const [key, inner] of Object.entries(value)) {
            if (Object.hasOwn(schema.properties ?? {}, key)) continue
            if (wanted === false) wrong(`has the stray key ${key}`)
            else found.push(...violations(inner, wanted, document, `${path}.${key}`))
          }
        }
        break
      case "items":
        if (Array.isArray(value) && wanted !== false) {
          value.slice(schema.prefixItems?.length ?? 0).forEach((inner, index) => {
            found.push(...violations(inner, wanted, document, `${path}[${index}]`))
          })
        }
        break
      case "prefixItems":
        if (Array.isArray(value)) {
          wanted.forEach((one: Any, index: number) => {
            if (index < value.length) found.push(...violations(value[index], one, document, `${path}[${index}]`))
          })
        }
        break
      case "minItems":
        if (Array.isArray(value) && value.length < wanted) wrong(`has fewer than ${wanted} items`)
        break
      case "maxItems":
        if (Array.isArray(value) && value.length > wanted) wrong(`has more than ${wanted} items`)
        break
      case "minimum":
        if (typeof value === "number" && value < wanted) wrong(`${value} is below ${wanted}`)
        break
      case "maximum":
        if (typeof value === "number" && value > wanted) wrong(`${value} is above ${wanted}`)
        break
      case "format":
        if (wanted === "uuid" && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(value))) {
          wrong(`${JSON.stringify(value)} is not a UUID`)
        }
        if (wanted === "uri" && !URL.canParse(String(value))) wrong(`${JSON.stringify(value)} is not a URI`)
        break
      case "discriminator":
      case "title":
      case "description":
      case "default":
        break
      default:
        wrong(`is described with ${keyword}, which this test does not read`)
    }
  }
  return found
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isOfType = (value: unknown, type: string): boolean => {
  switch (type) {
    case "null":
      return value === null
    case "array":
      return Array.isArray(value)
    case "object":
      return isObject(value)
    case "integer":
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}
