// Package events writes Kubernetes Events about objects that violate policies, for people who apply through GitOps and
// see neither warnings nor denials: kubectl describe and kubectl get events show them. Events are best effort: they are
// limited in number, and one that cannot be written is counted and dropped.
package events
