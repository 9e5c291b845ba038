package edit_test

// seeds look like what people keep in their repositories.
var seeds = []string{
	`# The shop's front end.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: &labels
    app.kubernetes.io/name: web   # as in the chart

    tier: "front"
spec:
  replicas: 2
  selector: {matchLabels: *labels}
  template:
    metadata:
      labels:
        <<: *labels
        version: '1'
    spec:
      # the one container
      containers:
      - name: web
        image: nginx   # pin me
        args: ["-c", 'daemon off;', --fast]
        ports:
        - containerPort: 80
          name: http
        # - containerPort: 443
        env:
          - name: EMPTY
            value:
          - {name: FLOW, value: "x"}
        resources: {}

      volumes: []
# the end
`,
	`apiVersion: v1
kind: ConfigMap
metadata: {name: c, annotations: {a.b/c: "x"}}
data:
  script: |
    #!/bin/sh
    # not a comment
    echo "hi: there"

  folded: >-
    one
    two

      three
  keep: |+
    x

  plain: a plain
    scalar of two lines
  quoted: "a \"quoted\"
    one"
binaryData:
`,
	`{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": {"name": "p", "labels": {}},
  "spec": {
    "containers": [
      {
        "name": "a",
        "image": "busybox",
        "command": ["sh", "-c", "sleep 1 # x"]
      }
    ]
  }
}
`,
	`{"apiVersion":"v1","kind":"Service","spec":{"externalIPs":["1.2.3.4","5.6.7.8"],"type":"NodePort"}}`,
	`apiVersion: v1
kind: List
items:
    - apiVersion: v1
      kind: Pod
      metadata:
          name: a
      spec: &spec
          containers:
              -   name: a
                  image: x
    - apiVersion: v1
      kind: Pod
      metadata: {name: b}
      spec: *spec
    - # a third
      apiVersion: v1
      kind: Pod
      spec:
          <<: [*spec, {restartPolicy: Never}]
          hostNetwork: true
`,
	"---\n# only flow\n{a: [1, {b: c, d: [x, y,]}, # e\n  2], f: , g: {}}\n...\n",
	"- - a\n  - b # c\n- - - d\n-\n  # e\n  f: 1\n  g: 2\n- &h !!str i\n- *h\n",
	"? a\n: b\n? [c]\n",
	"a: [b: 1, c]\nd: !x e\nf: \"\\u263a\"\n'g': ~\nh: !!null\n",
	"a: 1\rb: 2\n# c\rd:\u2028  e: 3\u0085  f: 4\n",
}
