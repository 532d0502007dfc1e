<?php
http_response_code(410);
echo "<h1>It was here</h1>";
