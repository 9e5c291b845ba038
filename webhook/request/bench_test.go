package request_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// BenchmarkReview reads Pods with 1 and with 20 containers. "encoding/json" is the cost of a webhook that
// decodes the review and then the object into a map.
func BenchmarkReview(b *testing.B) {
	const container = `{"name":"app-%d","image":"123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/app:1.0.0","ports":[{"containerPort":8080,"protocol":"TCP"}],` +
		`"env":[{"name":"DB_URL","valueFrom":{"secretKeyRef":{"name":"db-config","key":"db-url"}}}],` +
		`"readinessProbe":{"httpGet":{"path":"/health","port":8080,"scheme":"HTTP"},"periodSeconds":30,"timeoutSeconds":1},` +
		`"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"100m","memory":"128Mi"}}}`
	for _, count := range []int{1, 20} {
		var containers []string
		for i := range count {
			containers = append(containers, fmt.Sprintf(container, i))
		}
		text := body(`"object":{"metadata":{"name":"web"},"spec":{"containers":[` + strings.Join(containers, ",") + `]}}`)
		b.Run(fmt.Sprintf("review/containers=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := request.Review(text, decision.OriginValidating); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("encoding-json/containers=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var in admissionv1.AdmissionReview
				var object map[string]any
				if err := json.Unmarshal(text, &in); err != nil {
					b.Fatal(err)
				}
				if err := json.Unmarshal(in.Request.Object.Raw, &object); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
