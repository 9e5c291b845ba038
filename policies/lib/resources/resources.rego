# METADATA
# title: Resources of the Pod as a whole
# description: What spec.resources of a Pod means for its containers.
package taffrail.lib.resources

# METADATA
# title: The Pod as a whole has a request
# description: >-
#   A limit counts too: where a Pod sets a limit and no request, the API server makes the request, but only after
#   admission.
pod_sets("requests", resource) if input.workload.resources.requests[resource] > 0

pod_sets(_, resource) if input.workload.resources.limits[resource] > 0
