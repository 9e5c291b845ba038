package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SecretValue is the password among the chapter's values. It must not appear in anything that Taffrail writes.
const SecretValue = "correct-horse-battery-staple"

// chapterValues has the values for the chapter's templates, which its readers fill in with envsubst.
var chapterValues = map[string]string{
	"ECR_HOST":      "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com",
	"DB_URL":        "jdbc:postgresql://eks-work-db.example.ap-northeast-2.rds.amazonaws.com:5432/myworkdb",
	"DB_PASSWORD":   SecretValue,
	"BUCKET_SUFFIX": "example",
}

// Manifest is one of the chapter's example files, filled in.
type Manifest struct {
	// File is the file name without .template.
	File    string
	Content []byte
}

// Object parses the manifest anew, so that tests can modify the result.
func (m Manifest) Object() (*unstructured.Unstructured, error) {
	objects, err := decode(m.Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.File, err)
	}
	if len(objects) == 1 {
		if object, ok := objects[0].(*unstructured.Unstructured); ok {
			return object, nil
		}
	}
	return nil, fmt.Errorf("%s: %d objects, want one", m.File, len(objects))
}

// Chapter returns the chapter's manifests, in the order in which the chapter applies them.
func Chapter(root string) ([]Manifest, error) {
	files, err := filepath.Glob(filepath.Join(root, "test/testdata/chapter/*"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no manifests in %s/test/testdata/chapter", root)
	}
	slices.Sort(files)
	manifests := make([]Manifest, 0, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var unknown []string
		filled := string(content)
		if strings.HasSuffix(file, ".template") {
			filled = os.Expand(filled, func(name string) string {
				value, known := chapterValues[name]
				if !known {
					unknown = append(unknown, name)
				}
				return value
			})
		}
		if len(unknown) > 0 {
			return nil, fmt.Errorf("%s: nothing is known to put for %s", file, strings.Join(unknown, ", "))
		}
		manifests = append(manifests, Manifest{File: strings.TrimSuffix(filepath.Base(file), ".template"), Content: []byte(filled)})
	}
	return manifests, nil
}

// ChapterManifest returns the manifest whose file name starts with a prefix.
func ChapterManifest(root, prefix string) (*unstructured.Unstructured, error) {
	manifests, err := Chapter(root)
	if err != nil {
		return nil, err
	}
	for _, manifest := range manifests {
		if strings.HasPrefix(manifest.File, prefix) {
			return manifest.Object()
		}
	}
	return nil, fmt.Errorf("the chapter has no %s…", prefix)
}
