# METADATA
# title: Pods are created through a controller
# description: >-
#   A Pod without a controller is not replicated, updated or moved: when it or its node fails, it is gone. It is checked
#   only when it is created. Mirror Pods of a kubelet, and Pods that Helm or Argo CD run once as a hook or a test, are
#   allowed. A client that creates and watches Pods without an ownerReference, such as a CI runner, belongs in the
#   trustedWriters of the Guardrail. There is no fix: only the author knows which kind of workload the Pod should
#   become.
# custom:
#   id: no-bare-pod
#   severity: medium
#   section: 3.2.3
#   kinds: [Pod]
#   default_mode: warn
#   ignores_controlled: true
#   remediation: "Create it through a Deployment, StatefulSet or DaemonSet, for example kubectl create deployment web --image=nginx:1.27.3, or through a Job or CronJob if it ends."
package taffrail.replicas.no_bare_pod

import data.taffrail.lib.owners
import future.keywords.not

deny contains finding if {
	input.operation == "CREATE"
	not owners.controlled
	not meant
	finding := {
		"msg": "no controller owns this Pod, so nothing replaces it when it or its node fails",
		"path": "kind",
	}
}

meant if {
	some annotation in ["kubernetes.io/config.mirror", "helm.sh/hook", "argocd.argoproj.io/hook"]
	value := input.object.metadata.annotations[annotation]
	is_string(value)
	value != ""
}
