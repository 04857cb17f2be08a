/** Pages of a list, counted from 1. */
import { Schema } from "effect"

/** A page's place in a list. */
export const Pagination = Schema.Struct({
  current: Schema.Int.annotate({ description: "The page's number, from 1." }),
  limit: Schema.Int.annotate({ description: "Maximum number of entries on a page." }),
  offset: Schema.Int.annotate({ description: "Entries before the page." }),
  pages: Schema.Int.annotate({ description: "Number of pages; 0 if there are no entries." }),
  total: Schema.Int.annotate({ description: "Total number of entries." }),
  has_next: Schema.Boolean,
}).annotate({ identifier: "Pagination" })
export type Pagination = typeof Pagination.Type

/**
 * The position of page `page` of `total` entries. Pages past the end are valid and empty.
 *
 * @param page from 1
 * @param pageSize from 1
 */
export const paginate = (total: number, page: number, pageSize: number): Pagination => {
  const pages = Math.ceil(total / pageSize)
  return { current: page, limit: pageSize, offset: (page - 1) * pageSize, pages, total, has_next: page < pages }
}
