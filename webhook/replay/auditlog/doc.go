// Package auditlog reads the writes in audit logs of Kubernetes API servers (audit.k8s.io/v1), as the API server
// writes them and as clouds deliver them. It reads logs of any size in limited memory, sorts them by time, and
// counts whatever it cannot read: nothing is left out silently.
package auditlog
