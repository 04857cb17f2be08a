import dc from "node:diagnostics_channel"
const t0=performance.now()
dc.subscribe("undici:request:create",({request})=>{request.__t=performance.now(); })
dc.subscribe("undici:request:trailers",({request})=>{ console.error(((request.__t??0)-t0).toFixed(0).padStart(5), (performance.now()-t0).toFixed(0).padStart(5), request.method, request.path.replace(/field=[^&]*&?/g,"").slice(0,110)) })
let last=performance.now(); setInterval(()=>{const n=performance.now(); if(n-last>15) console.error("   blocked", (n-last).toFixed(0), "at", (n-t0).toFixed(0)); last=n},1)
process.argv=[process.argv[0],"main","serve","--config","/tmp/cfg40.json","--port","8099"]
await import("/work/main/apps/storage-proxy/dist/main.js")
