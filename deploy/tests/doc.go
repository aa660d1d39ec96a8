// Package deploy checks the deployment: docker-compose.yml, the Dockerfile, the manifests for
// Kubernetes, the alerts and the dashboards. It contains only tests, which need no container
// engine; make image-test runs the tests that do.
package deploy
