/** The customers list of each offering. */
import type { Offering } from "./offerings.ts"
import { customerRecord, nestedProject, type Organisation, type Project } from "./records.ts"
import type { WaldurCustomer } from "./world.ts"

/** Counts the resources of each customer by offering. */
export interface CustomerLists {
  add(offering: Offering, project: Project): void
  /** The offering's customers sorted by name, as Waldur lists them. */
  of(offering: Offering): WaldurCustomer[]
}

export function customerLists(): CustomerLists {
  const byOffering = new Map<Offering, Map<Organisation, Map<string, { project: Project; resources: number }>>>()
  return {
    add(offering, project) {
      const customers = byOffering.get(offering) ?? new Map()
      byOffering.set(offering, customers)
      const projects = customers.get(project.organisation) ?? new Map()
      customers.set(project.organisation, projects)
      const counted = projects.get(project.slug) ?? { project, resources: 0 }
      counted.resources += 1
      projects.set(project.slug, counted)
    },
    of(offering) {
      const customers = [...(byOffering.get(offering) ?? [])]
      customers.sort(([a], [b]) => (a.name < b.name ? -1 : 1))
      return customers.map(([organisation, projects]) =>
        customerRecord(
          organisation,
          [...projects.values()].map(({ project, resources }) => nestedProject(project, resources)),
        ),
      )
    },
  }
}
