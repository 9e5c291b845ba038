// Package charts embeds the CRDs of the chart, so that the binary of a release can bring
// a cluster to them: Helm installs the CRDs of a chart once and never touches them again.
package charts

import "embed"

// CRDs holds taffrail/crds.
//
//go:embed taffrail/crds/*.yaml
var CRDs embed.FS
