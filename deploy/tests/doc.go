// Package deploy checks what is deployed: docker-compose.yml, the Dockerfile, the
// manifests for Kubernetes, the alerts and the dashboards. It has nothing but tests.
// They need no container engine; what only an engine can show, make image-test shows.
package deploy
