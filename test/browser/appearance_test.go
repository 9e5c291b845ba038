package browser_test

// appearance returns manifests with findings of every outcome that files can have.
func appearance() string {
	return shop() + deployment("shop", "a-rather-long-name-of-a-deployment-that-somebody-generated-from-a-branch", "registry.example.com/team/with/a/long/path/application") + `---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: pay}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "busybox:latest"}]}}}}
`
}

// faintTexts is an expression for the visible texts whose contrast is below 4.5:1, as WCAG 2.2 AA wants it, each with
// its contrast.
const faintTexts = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const rgb = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const luminance = (color) => {
		const [r, g, b] = rgb(color).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const background = (element) => {
		for (; element; element = element.parentElement) {
			const {backgroundColor} = getComputedStyle(element);
			if (rgb(backgroundColor)[3] === 255) {
				return backgroundColor;
			}
		}
		return "white";
	};
	const faint = new Set();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.matches("script, option, :disabled")) {
			continue;
		}
		const [a, b] = [luminance(getComputedStyle(element).color), luminance(background(element))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) {
			faint.add(JSON.stringify(walker.currentNode.textContent.trim().slice(0, 40)) + " is " + contrast.toFixed(2));
		}
	}
	return [...faint];
})()`
