import { Result } from "effect"
import { shown } from "../report/finding.ts"
import { dataTypeOf, dataTypesNamedBy } from "../rules/data-type.ts"
import { isRemoval, mayBeLive, providerView, stateOf } from "../rules/lifecycle.ts"
import {
  backendMountPath,
  invalidComponent,
  normalizedPath,
  type PathRule,
  pathsReadIn,
  projectMountPath,
  tenantMountPath,
} from "../rules/mount-path.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./code-unit-order.ts"
import type { Located } from "./place.ts"
import { eachInSteps, type Steps, sortInSteps } from "./steps.ts"

/** A directory that must not be removed, though no resource in the tree says so. */
export interface ProtectedPath {
  readonly path: string
  /** Whose it is, in words, for findings. */
  readonly by: string
}

/** In place of a component of which nothing is known. */
const anyName = "*"

/**
 * Whether a record's data may have to stay, as far as it tells: a state that cannot be read is no removal, and an order
 * that cannot be read asks for none.
 */
export const recordMayBeLive = (record: unknown): boolean => {
  const order = property(record, "order_in_progress")
  const known: WaldurOrder = { state: textIn(order, "state") ?? null, type: textIn(order, "type") ?? null }
  const view = providerView(property(record, "state"), known)
  return view.visible && mayBeLive(view.state, known)
}

const textIn = (record: unknown, key: string): string | undefined => {
  const value = property(record, key)
  return typeof value === "string" ? value : undefined
}

const anywhere: PathRule = () => undefined

/** Where a record's data may be. */
export interface Whereabouts {
  /** Directories, as the record names them. */
  readonly paths: ReadonlyArray<string>
  /** Directories to which bad names lead whoever takes them as they stand: a project_slug `../other` leads beside. */
  readonly misread: ReadonlyArray<string>
  /** Where a name is bad: the directory with `*` in place of each bad name. */
  readonly pattern: string | undefined
}

/**
 * All directories where the data of a record may be, however bad the record is. A valid path in `backend_id` is the only
 * one; else it is the directory of the names, and whatever `backend_id` can be read as.
 *
 * @param rule where paths may be served: a valid path elsewhere is doubtful
 */
export const whereaboutsOf = (record: unknown, rule: PathRule = anywhere): Whereabouts => {
  const backendId = property(record, "backend_id")
  const valid = backendMountPath(backendId, rule, () => {})
  if (Result.isSuccess(valid) && valid.success !== undefined)
    return { paths: [valid.success], misread: [], pattern: undefined }

  const attributes = property(record, "attributes")
  const unreadable = attributes !== undefined && attributes !== null && !isJsonObject(attributes)
  const dataType = Result.getOrUndefined(dataTypeOf({ attributes, options: property(record, "options") }))
  const names = [
    textIn(record, "offering_slug"),
    unreadable ? undefined : dataType?.name,
    textIn(record, "provider_slug"),
    textIn(record, "customer_slug"),
    textIn(record, "project_slug"),
  ]
  const components = names.map((name) =>
    name === undefined || invalidComponent("", name) !== undefined ? anyName : name,
  )
  const named = `/${components.join("/")}`
  const read = pathsReadIn(backendId)
  if (!components.includes(anyName)) return { paths: [named, ...read], misread: [], pattern: undefined }
  const taken = names.includes(undefined) ? [] : pathsReadIn(`/${names.join("/")}`)
  const misread = taken.filter((path) => !`${named}/`.startsWith(`${path}/`))
  // A record without a good slug tells of no directory: it would be any. A data type alone tells none either.
  const tells = components.some((component, at) => component !== anyName && at !== 1)
  return { paths: read, misread, pattern: tells ? named : undefined }
}

/** Where data is that somebody may want to keep, and where any resource is. */
export interface LivePaths {
  /** Who else is live at `path`, in words; `undefined` if nobody is. */
  readonly othersAt: (path: string, self: string) => string | undefined
  /** Why the directory `path` must not be removed; `undefined` if it may be. */
  readonly against: (path: string) => string | undefined
  /** The live directory around `path`, in words; `undefined` if there is none. */
  readonly around: (path: string) => string | undefined
  /** The resource, live or not, whose directory `path` is or lies in, in words; `undefined` if there is none. */
  readonly ownerOf: (path: string) => string | undefined
}

interface Occupants {
  readonly first: string
  second: string | undefined
  count: number
}

/** In words, which are made only when somebody asks. */
type Words = () => string

/**
 * A directory of the disk of which something is known, or below which ways part. Descending by components takes time
 * linear in the path's length, and no prefix misleads. One for each path, however deep, and so many for no record.
 */
interface Directory {
  /** Its path below the directory that has it as an entry: names, the name `*` for a bad one, with `/` between them. */
  run: string
  /** By the first name of each; made when needed, for most directories hold none. */
  entries: Map<string, Directory> | undefined
  /** Who is live here for certain. */
  live: Occupants | undefined
  /** Who may be live here, in words. */
  kept: string | undefined
  /** Who may be live here or anywhere below. */
  region: Words | undefined
  /** What is live here or below. */
  holds: Words | undefined
  /** A resource, live or not, whose directory this is. */
  owner: string | undefined
}

/** A place on the way to a directory: so many characters of its run, all of them where it is the directory itself. */
interface Place {
  readonly directory: Directory
  readonly at: number
}

/** The directory at a place; `undefined` if the place is but on the way to one. */
const directoryAt = ({ directory, at }: Place): Directory | undefined =>
  at === directory.run.length ? directory : undefined

/** The place of an entry; `undefined` if nothing is known of it, nor of what is below. */
const entryOf = ({ directory, at }: Place, name: string): Place | undefined => {
  if (at === directory.run.length) {
    const entry = directory.entries?.get(name)
    return entry && { directory: entry, at: name.length }
  }
  const start = at + 1
  const end = start + name.length
  const isEntry = directory.run.startsWith(name, start) && (end === directory.run.length || directory.run[end] === "/")
  return isEntry ? { directory, at: end } : undefined
}

const firstName = (run: string) => run.split("/", 1)[0] ?? ""

/** Makes a place a directory. */
const directoryMadeAt = ({ directory, at }: Place): Directory => {
  if (at === directory.run.length) return directory
  const below = { ...directory, run: directory.run.slice(at + 1) }
  const { holds } = directory
  Object.assign(directory, emptyDirectory(directory.run.slice(0, at)), { holds })
  directory.entries = new Map([[firstName(below.run), below]])
  return directory
}

const named = (one: string, { count }: Occupants) => (count > 2 ? `${one} and others (${count} in all)` : one)

const emptyDirectory = (run: string): Directory => ({
  run,
  entries: undefined,
  live: undefined,
  kept: undefined,
  region: undefined,
  holds: undefined,
  owner: undefined,
})

/** A directory where data may be, and whose. */
interface Claim {
  readonly path: string
  readonly who: string
  /** Whether the record names it as its own. */
  readonly owns: boolean
}

const byPath = (a: Claim, b: Claim) => compare(a.path, b.path) || compare(a.who, b.who) || compare(+b.owns, +a.owns)

const claimsOf = (record: unknown, who: string, rule: PathRule): ReadonlyArray<Claim> => {
  const { paths, misread, pattern } = whereaboutsOf(record, rule)
  return [
    ...paths.map((path) => ({ path, who, owns: true })),
    ...(pattern === undefined ? misread : [...misread, pattern]).map((path) => ({ path, who, owns: false })),
  ]
}

const isPattern = (path: string) => path.split("/").includes(anyName)

const componentsOf = (path: string) => path.split("/").filter((component) => component !== "")

/**
 * Keeps who lives where. Judged over all records: also what is skipped, or too bad to locate, is data on a disk.
 * The questions cost the same however many share a path.
 *
 * @param located in the order in which they are named where there are many
 * @param unlocated records that have no place in the tree
 * @param contested UUIDs of which there are several records, a live one among them: the paths of all of them protect
 */
export function* livePathsOf(
  located: Iterable<Located>,
  unlocated: Iterable<unknown>,
  contested: ReadonlySet<string>,
  protectedPaths: ReadonlyArray<ProtectedPath>,
  rule: PathRule,
): Steps<LivePaths> {
  const root = emptyDirectory("")
  const enter = (path: string, holds: Words | undefined): Directory => {
    const names = componentsOf(path)
    let place: Place = { directory: root, at: 0 }
    let passed = 0
    for (const name of names) {
      const next = entryOf(place, name)
      if (next === undefined) break
      if (next.directory !== place.directory) place.directory.holds ??= holds
      place = next
      passed += 1
    }
    const known = directoryMadeAt(place)
    known.holds ??= holds
    const [name] = names.slice(passed, passed + 1)
    if (name === undefined) return known
    const made = emptyDirectory(names.slice(passed).join("/"))
    made.holds = holds
    known.entries ??= new Map()
    known.entries.set(name, made)
    return made
  }
  const own = (directory: Directory, path: string, who: string) => {
    // A path of one component is no mount point, so that nobody's directory is all of a file system.
    if (path.includes("/", 1)) directory.owner ??= who
  }
  const live = (path: string, who: string) => {
    const directory = enter(path, () => `holds the mount point ${shown(path)}, which is live`)
    own(directory, path, who)
    const known = directory.live
    if (known === undefined) directory.live = { first: who, second: undefined, count: 1 }
    else if (known.first !== who) {
      known.second ??= who
      known.count += 1
    }
  }
  const keep = (path: string, who: string, owns: boolean) => {
    const directory = enter(path, () => `holds ${shown(path)}, where ${who} may be live`)
    if (owns) own(directory, path, who)
    directory.kept ??= who
  }

  const certain: Array<Claim> = []
  const doubtful: Array<Claim> = []
  yield* eachInSteps(located, ({ state, path, pathFromWaldur, dataType, resource }) => {
    const { uuid } = resource
    const place = Result.getOrUndefined(path)
    const isGoing = isRemoval(state)
    if (!mayBeLive(state, resource.order_in_progress) && !contested.has(uuid)) {
      if (place !== undefined) own(enter(place, undefined), place, uuid)
      return
    }
    if (place === undefined) doubtful.push(...claimsOf(resource, uuid, rule))
    else {
      if (isGoing) doubtful.push({ path: place, who: uuid, owns: true })
      else live(place, uuid)
      if (pathFromWaldur) return
      for (const read of pathsReadIn(resource.backend_id)) doubtful.push({ path: read, who: uuid, owns: true })
      for (const name of dataTypesNamedBy(resource)) {
        const other = Result.flatMap(tenantMountPath(resource, name), (above) => projectMountPath(above, resource))
        if (name !== dataType && Result.isSuccess(other)) {
          doubtful.push({ path: other.success, who: uuid, owns: false })
        }
      }
    }
  })
  yield* eachInSteps(unlocated, (record) => {
    const uuid = dashedUuid(property(record, "uuid"))
    const isLive = recordMayBeLive(record)
    if (!isLive && !contested.has(uuid ?? "")) return
    const claims = claimsOf(record, uuid ?? "a resource whose record is bad", rule)
    const isCertain = claims.length === 1 && isLive && !isRemoval(stateOf(property(record, "state")))
    for (const claim of claims) (isCertain && claim.owns ? certain : doubtful).push(claim)
  })
  yield* eachInSteps(protectedPaths, ({ path, by }) => {
    const who = String(shown(by))
    const normalized = normalizedPath(path)
    if (normalized !== undefined && normalized !== "/") doubtful.push({ path: normalized, who, owns: true })
    for (const read of pathsReadIn(path)) doubtful.push({ path: read, who, owns: true })
  })
  yield* eachInSteps(yield* sortInSteps(certain, byPath), ({ path, who }) => live(path, who))
  yield* eachInSteps(yield* sortInSteps(doubtful, byPath), ({ path, who, owns }) => {
    if (!isPattern(path)) return keep(path, who, owns)
    const region = enter(path, () => `holds the directory of ${who}, which is known as ${shown(path)} only`)
    region.region ??= () => `may be or lie in the directory of ${who}, which is known as ${shown(path)} only`
  })

  const at = (path: string): Directory | undefined => {
    let place: Place | undefined = { directory: root, at: 0 }
    for (const name of componentsOf(path)) place = place && entryOf(place, name)
    return place && directoryAt(place)
  }
  /** The first answer on the way to `path`, `path` excluded. */
  const onTheWay = (path: string, answer: (directory: Directory, at: string) => string | undefined) => {
    let place: Place | undefined = { directory: root, at: 0 }
    let above = ""
    for (const name of componentsOf(path)) {
      const directory = directoryAt(place)
      const found = directory && answer(directory, above)
      if (found !== undefined) return found
      place = entryOf(place, name)
      if (place === undefined) return undefined
      above += `/${name}`
    }
    return undefined
  }
  return {
    othersAt: (path, self) => {
      const known = at(path)?.live
      const other = known?.first === self ? known.second : known?.first
      return known === undefined || other === undefined ? undefined : named(other, known)
    },
    against: (path) => {
      const known = at(path)?.live
      if (known !== undefined) return `is the mount point of ${named(known.first, known)}, which is live`
      // More than one only where a bad name could be this one or that: five names have few.
      let candidates: ReadonlyArray<Place> = [{ directory: root, at: 0 }]
      for (const component of componentsOf(path)) {
        const next: Array<Place> = []
        for (const candidate of candidates) {
          for (const name of [component, anyName]) {
            const entry = entryOf(candidate, name)
            if (entry !== undefined) next.push(entry)
          }
        }
        candidates = next
        for (const candidate of candidates) {
          const region = directoryAt(candidate)?.region
          if (region !== undefined) return region()
        }
      }
      for (const candidate of candidates) {
        const kept = directoryAt(candidate)?.kept
        if (kept !== undefined) return `is where ${kept} may be live`
        const { holds } = candidate.directory
        if (holds !== undefined) return holds()
      }
      return undefined
    },
    around: (path) =>
      onTheWay(path, ({ live, kept }, above) => {
        const who = live?.first ?? kept
        return who === undefined ? undefined : `${shown(above)}, the directory of ${who}`
      }),
    ownerOf: (path) => onTheWay(path, ({ owner }) => owner) ?? at(path)?.owner,
  }
}
