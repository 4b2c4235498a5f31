window.addEventListener("load", () => {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark-mode", dark);
  const token = document.querySelector('meta[name="csrf"]')?.content;
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    requestInterceptor: (request) => {
      if (token && !["GET", "HEAD"].includes(request.method)) request.headers["X-CSRF-Token"] = token;
      return request;
    },
  });
});
