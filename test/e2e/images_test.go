//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// The chapter's images, as named in its manifests. They cannot be pulled, so they contain test/e2e/app.
const (
	registry      = "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com"
	backendImage  = registry + "/k8sbook/backend-app"
	backendImage1 = backendImage + ":1.0.0"
	backendImage2 = backendImage + ":2.0.0"
	batchImage    = registry + "/k8sbook/batch-app:1.0.0"
)

func appImages() []string { return []string{backendImage1, backendImage2, batchImage} }

// findImage returns the image to test, which docker must have.
func findImage(ctx context.Context, root string) (string, error) {
	image := os.Getenv("E2E_IMAGE")
	if image == "" {
		chart, err := readChart(root)
		if err != nil {
			return "", err
		}
		image = "taffrail.dev/taffrail:" + chart.AppVersion
	}
	if _, err := output(ctx, "docker", "image", "inspect", image); err != nil {
		return "", fmt.Errorf("%w\n%w", errNoImage, err)
	}
	return image, nil
}

// chart has the fields of Chart.yaml that the tests read.
type chart struct {
	Version    string `json:"version"`
	AppVersion string `json:"appVersion"`
}

func readChart(root string) (chart, error) {
	var c chart
	content, err := os.ReadFile(filepath.Join(root, "charts/taffrail/Chart.yaml"))
	if err == nil {
		err = yaml.Unmarshal(content, &c)
	}
	return c, err
}

// buildApps builds the images of test/e2e/app.
func (e *environment) buildApps(ctx context.Context) error {
	dir := filepath.Join(e.dir, "app")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "app"), "./test/e2e/app")
	command.Dir = e.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building test/e2e/app: %w\n%s", err, out)
	}
	for _, image := range appImages() {
		entrypoint := `["/app"]`
		if image == batchImage {
			entrypoint = `["/app", "batch"]`
		}
		recipe := "FROM scratch\nCOPY app /app\nCOPY app /bin/sh\nUSER 65532:65532\nENTRYPOINT " + entrypoint + "\nLABEL version=" + image + "\n"
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(recipe), 0o600); err != nil {
			return err
		}
		if _, err := output(ctx, "docker", "build", "--quiet", "-t", image, dir); err != nil {
			return err
		}
	}
	return nil
}

// splitImage splits an image into its repository and tag.
func splitImage(image string) (repository, tag string) {
	at := strings.LastIndex(image, ":")
	return image[:at], image[at+1:]
}
